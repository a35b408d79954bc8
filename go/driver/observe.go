package main

import (
	"strings"

	"skidbladnir.dev/driver/testdriverpb"
	"skidbladnir.dev/skidbladnir"
)

// listen notes an event with the fields that its type has.
func (r *run) listen(event skidbladnir.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kind := string(event.Type)
	seen := &testdriverpb.Event{
		Type:         kind,
		Policy:       event.Policy,
		AtMs:         r.now(),
		State:        given(string(event.State)),
		RetryAfterMs: given(ceilMS(event.RetryAfter)),
		From:         given(event.From),
		To:           given(event.To),
		Reason:       given(event.Reason),
		Attempt:      given(int64(event.Attempt)),
		TimeoutMs:    given(event.Timeout.Milliseconds()),
		Outcome:      given(event.Outcome),
		Provider:     given(event.Provider),
	}
	if event.Err != nil {
		seen.Error = ptr(skidbladnir.Code(event.Err))
	}
	// In these zero is a value.
	switch {
	case event.Type == skidbladnir.EventRetryScheduled:
		seen.DelayMs = ptr(ceilMS(event.Delay))
	case event.Type == skidbladnir.EventBulkheadQueued, event.Type == skidbladnir.EventBulkheadHandedOver:
		seen.QueueSize = ptr(int64(event.QueueSize))
	case strings.HasPrefix(kind, "call_") && event.Type != skidbladnir.EventCallAbandoned,
		event.Type == skidbladnir.EventCircuitStateChanged:
		seen.Generation = ptr(event.Generation)
	case strings.HasPrefix(kind, "cache_") && event.Key != skidbladnir.NoKey:
		seen.Key = ptr(event.Key)
	}
	r.events = append(r.events, seen)
}

// given is a value that is absent when it is zero.
func given[V comparable](value V) *V {
	var zero V
	if value == zero {
		return nil
	}
	return &value
}

func (r *run) observe() *testdriverpb.StepObservation {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := &testdriverpb.StepObservation{NowMs: r.now(), Running: r.running, Events: r.events}
	r.events = nil
	for _, rec := range r.records {
		seen.Calls = append(seen.Calls, rec.observe(r.made))
	}
	for _, policy := range r.policies {
		if state := observePolicy(policy); state != nil {
			if r.facade != nil {
				state.Name = r.facade.Name() + "." + patternOf(state)
			}
			seen.Policies = append(seen.Policies, state)
		}
	}
	if r.facade != nil {
		seen.Policies = append(seen.Policies, observeFacade(r.facade))
	}
	if r.monitor != nil {
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
	}
	return seen
}

// observePolicy is the state of a policy, or nil for one that has no statistics.
func observePolicy(policy skidbladnir.Policy) *testdriverpb.PolicyState {
	state := &testdriverpb.PolicyState{Name: policy.Name()}
	switch policy := policy.(type) {
	case *skidbladnir.CircuitBreaker:
		state.State = &testdriverpb.PolicyState_CircuitBreaker{CircuitBreaker: observeCircuit(policy.Stats())}
	case *skidbladnir.Bulkhead:
		stats := policy.Stats()
		state.State = &testdriverpb.PolicyState_Bulkhead{Bulkhead: &testdriverpb.BulkheadState{
			ConcurrentExecutions: int64(stats.ConcurrentExecutions), QueueSize: int64(stats.QueueSize),
		}}
	case *skidbladnir.Cache[result]:
		state.State = &testdriverpb.PolicyState_Cache{Cache: &testdriverpb.CacheState{Size: int64(policy.Stats().Size)}}
	default:
		return nil
	}
	return state
}

func observeCircuit(stats skidbladnir.CircuitBreakerStats) *testdriverpb.CircuitBreakerState {
	state := &testdriverpb.CircuitBreakerState{
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
		state.RetryAfterMs = ptr(ceilMS(stats.RetryAfter))
	}
	return state
}

func patternOf(state *testdriverpb.PolicyState) string {
	switch state.GetState().(type) {
	case *testdriverpb.PolicyState_CircuitBreaker:
		return skidbladnir.PatternCircuitBreaker
	case *testdriverpb.PolicyState_Bulkhead:
		return skidbladnir.PatternBulkhead
	default:
		return skidbladnir.PatternCache
	}
}

func observeFacade(facade *skidbladnir.ResilienceFacade[result]) *testdriverpb.PolicyState {
	status := facade.Status()
	seen := &testdriverpb.FacadeStatus{CircuitState: given(string(status.CircuitState))}
	if status.Bulkhead != nil {
		seen.ConcurrentExecutions = ptr(int64(status.Bulkhead.ConcurrentExecutions))
		seen.QueueSize = ptr(int64(status.Bulkhead.QueueSize))
	}
	return &testdriverpb.PolicyState{Name: facade.Name(), State: &testdriverpb.PolicyState_Facade{Facade: seen}}
}
