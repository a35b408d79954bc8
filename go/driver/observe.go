package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"skidbladnir.dev/driver/testdriverpb"
	"skidbladnir.dev/skidbladnir"
)

// listen stamps an event. Which fields a type has is in EV-1.
func (r *run) listen(event skidbladnir.Event) {
	seen := &testdriverpb.Event{Type: string(event.Type), Policy: event.Policy, AtMs: r.operations.now()}
	if event.Err != nil {
		seen.Error = skidbladnir.Set(skidbladnir.Code(event.Err))
	}
	switch event.Type {
	case skidbladnir.EventCallAdmitted, skidbladnir.EventCallRejected:
		seen.State = skidbladnir.Set(string(event.State))
		seen.Generation = &event.Generation
		if event.Type == skidbladnir.EventCallRejected && event.State == skidbladnir.StateOpen {
			seen.RetryAfterMs = skidbladnir.Set(millisecondsUp(event.RetryAfter))
		}
	case skidbladnir.EventCallSucceeded, skidbladnir.EventCallFailed, skidbladnir.EventCallIgnored,
		skidbladnir.EventCallCancelled:
		seen.Generation = &event.Generation
	case skidbladnir.EventCircuitStateChanged:
		seen.From, seen.To, seen.Reason = &event.From, &event.To, &event.Reason
		seen.Generation = &event.Generation
	case skidbladnir.EventRetryScheduled:
		seen.Attempt = skidbladnir.Set(int64(event.Attempt))
		seen.DelayMs = skidbladnir.Set(millisecondsUp(event.Delay))
	case skidbladnir.EventRetryExhausted:
		seen.Attempt = skidbladnir.Set(int64(event.Attempt))
		seen.Reason = &event.Reason
	case skidbladnir.EventBulkheadQueued, skidbladnir.EventBulkheadHandedOver:
		seen.QueueSize = skidbladnir.Set(int64(event.QueueSize))
	case skidbladnir.EventBulkheadRejected:
		seen.Reason = &event.Reason
	case skidbladnir.EventTimedOut:
		seen.TimeoutMs = skidbladnir.Set(millisecondsUp(event.Timeout))
	case skidbladnir.EventLateOutcome:
		seen.Outcome = &event.Outcome
	case skidbladnir.EventCacheHit, skidbladnir.EventCacheStaleHit, skidbladnir.EventCacheMiss,
		skidbladnir.EventCacheRefreshed, skidbladnir.EventCacheRefreshFailed, skidbladnir.EventCacheEvicted,
		skidbladnir.EventCacheInvalidated:
		if event.Key != skidbladnir.NoKey {
			seen.Key = &event.Key
		}
	case skidbladnir.EventHealthChanged:
		seen.From, seen.To, seen.Provider = &event.From, &event.To, &event.Provider
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, seen)
}

func (r *run) observe() *testdriverpb.StepObservation {
	seen := &testdriverpb.StepObservation{
		NowMs:    r.operations.now(),
		Policies: r.observePolicies(),
		Events:   r.events,
		Running:  uint32(r.operations.running),
	}
	r.events = nil
	for _, each := range r.records {
		seen.Calls = append(seen.Calls, r.operations.observeCall(each))
	}
	if r.monitor == nil {
		return seen
	}
	for _, provider := range r.monitor.Providers() {
		health, _ := r.monitor.Health(provider)
		seen.Health = append(seen.Health, &testdriverpb.ProviderHealth{
			Provider:       provider,
			Status:         string(health.Status),
			ResponseTimeMs: health.ResponseTime.Milliseconds(),
			CircuitState:   string(health.CircuitState),
			FailureRate:    health.FailureRate,
		})
	}
	return seen
}

// withStatistics are the policies that may have statistics, in their order.
func (r *run) withStatistics() []skidbladnir.Policy {
	if r.facade == nil {
		return r.policies
	}
	var found []skidbladnir.Policy
	if circuitBreaker := r.facade.CircuitBreaker(); circuitBreaker != nil {
		found = append(found, circuitBreaker)
	}
	if bulkhead := r.facade.Bulkhead(); bulkhead != nil {
		found = append(found, bulkhead)
	}
	if cache := r.facade.Cache(); cache != nil {
		found = append(found, cache)
	}
	return found
}

func (r *run) observePolicies() []*testdriverpb.PolicyState {
	var states []*testdriverpb.PolicyState
	for _, policy := range r.withStatistics() {
		state := &testdriverpb.PolicyState{Name: policy.Name()}
		pattern := ""
		switch p := policy.(type) {
		case *skidbladnir.CircuitBreaker:
			pattern = skidbladnir.PatternCircuitBreaker
			state.State = &testdriverpb.PolicyState_CircuitBreaker{CircuitBreaker: observeCircuit(p.Stats())}
		case *skidbladnir.Bulkhead:
			pattern = skidbladnir.PatternBulkhead
			stats := p.Stats()
			state.State = &testdriverpb.PolicyState_Bulkhead{Bulkhead: &testdriverpb.BulkheadState{
				ConcurrentExecutions: int64(stats.ConcurrentExecutions),
				QueueSize:            int64(stats.QueueSize),
			}}
		case *skidbladnir.Cache[any]:
			pattern = skidbladnir.PatternCache
			state.State = &testdriverpb.PolicyState_Cache{Cache: &testdriverpb.CacheState{Size: int64(p.Stats().Size)}}
		default:
			continue
		}
		if r.facade != nil {
			// The policies of a facade all carry its name.
			state.Name += "." + pattern
		}
		states = append(states, state)
	}
	if r.facade == nil {
		return states
	}
	status, seen := r.facade.Status(), &testdriverpb.FacadeStatus{}
	if status.CircuitState != "" {
		seen.CircuitState = skidbladnir.Set(string(status.CircuitState))
	}
	if status.Bulkhead != nil {
		seen.ConcurrentExecutions = skidbladnir.Set(int64(status.Bulkhead.ConcurrentExecutions))
		seen.QueueSize = skidbladnir.Set(int64(status.Bulkhead.QueueSize))
	}
	return append(states, &testdriverpb.PolicyState{
		Name: r.facade.Name(), State: &testdriverpb.PolicyState_Facade{Facade: seen},
	})
}

func observeCircuit(stats skidbladnir.CircuitBreakerStats) *testdriverpb.CircuitBreakerState {
	seen := &testdriverpb.CircuitBreakerState{
		State:         string(stats.State),
		FailureCount:  stats.FailureCount,
		SuccessCount:  stats.SuccessCount,
		RunningProbes: stats.RunningProbes,
		Generation:    stats.Generation,
		Calls:         stats.Calls,
		Successes:     stats.Successes,
		Failures:      stats.Failures,
		Ignored:       stats.Ignored,
		Cancelled:     stats.Cancelled,
		Rejected:      stats.Rejected,
		Slow:          stats.Slow,
	}
	if stats.State == skidbladnir.StateOpen {
		seen.RetryAfterMs = skidbladnir.Set(millisecondsUp(stats.RetryAfter))
	}
	return seen
}

func (o *operations) observeCall(seen *record) *testdriverpb.CallObservation {
	observed := &testdriverpb.CallObservation{
		Id: seen.id, StartsMs: seen.starts, SignalsMs: seen.signals, EndedMs: seen.ended,
	}
	switch {
	case seen.ended == nil:
		observed.End = &testdriverpb.CallObservation_Pending{Pending: &testdriverpb.Pending{}}
	case seen.err != nil:
		observed.End = &testdriverpb.CallObservation_Error{Error: o.observeError(seen.err)}
	default:
		value := &testdriverpb.Value{}
		if text, ok := seen.result.(string); ok {
			value.Text = &text
		}
		observed.End = &testdriverpb.CallObservation_Ok{Ok: value}
	}
	return observed
}

func (o *operations) observeError(err error) *testdriverpb.CallError {
	var cause error
	// In Go it is a FallbackError that holds a handler's error and its cause.
	if fallback, ok := err.(*skidbladnir.FallbackError); ok {
		both := fallback.Unwrap()
		err, cause = both[0], both[1]
	}
	code := skidbladnir.Code(err)
	if isContextError(err) {
		code = skidbladnir.CodeCancelled
	}
	if code == skidbladnir.CodeCancelled {
		return &testdriverpb.CallError{Code: code}
	}
	seen := &testdriverpb.CallError{Code: code, Message: err.Error(), Same: slices.Contains(o.made, err)}
	switch err := err.(type) {
	case *ScriptedError:
		if err.cause != nil {
			cause = err.cause
		}
	case *skidbladnir.CircuitOpenError:
		if err.State() == skidbladnir.StateOpen {
			seen.RetryAfterMs = skidbladnir.Set(millisecondsUp(err.RetryAfter()))
		}
	}
	if policyError, ok := err.(skidbladnir.PolicyError); ok {
		seen.Policy = skidbladnir.Set(policyError.Policy())
	}
	if cause != nil {
		seen.Cause = skidbladnir.Set(skidbladnir.Code(cause))
	}
	return seen
}

// isContextError tells whether an operation ended as its context did: the language's own form of a cancellation.
func isContextError(err error) bool {
	return errors.Is(err, context.Canceled)
}

// millisecondsUp is a duration in whole milliseconds, rounded up.
func millisecondsUp(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
