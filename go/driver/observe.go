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
	seen := &testdriverpb.StepObservation{
		NowMs: r.now(), Running: r.running, Events: r.events, Reported: reported.count.Swap(0),
	}
	r.events = nil
	for _, rec := range r.records {
		if rec.isNews() {
			seen.Calls = append(seen.Calls, rec.observe(r.made))
		}
	}
	for _, each := range r.watched {
		if stats := each.read(); stats != each.stats {
			each.stats = stats
			seen.Policies = append(seen.Policies, each.observe())
		}
	}
	if r.monitor != nil {
		for _, provider := range r.monitor.Providers() {
			health, _ := r.monitor.Health(provider)
			// The questions about one provider are other ways to the same.
			isUp, isDegraded := health.Status == skidbladnir.HealthUp, health.Status == skidbladnir.HealthDegraded
			if r.monitor.IsHealthy(provider) != isUp || r.monitor.IsDegraded(provider) != isDegraded {
				panic("the monitor contradicts itself about " + provider)
			}
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

// watched is something that has statistics: a policy, or the facade.
type watched struct {
	name  string
	read  func() any
	stats any // as last read
}

// watch notes the policies, and the facade, that have statistics.
func (r *run) watch() {
	add := func(policy skidbladnir.Policy, pattern string, read func() any) {
		name := policy.Name()
		if r.facade != nil {
			name = r.facade.Name() + "." + pattern
		}
		r.watched = append(r.watched, &watched{name: name, read: read})
	}
	for _, policy := range r.policies {
		switch policy := policy.(type) {
		case *skidbladnir.CircuitBreaker:
			add(policy, skidbladnir.PatternCircuitBreaker, func() any { return policy.Stats() })
		case *skidbladnir.Bulkhead:
			add(policy, skidbladnir.PatternBulkhead, func() any { return policy.Stats() })
		case *skidbladnir.Cache[result]:
			add(policy, skidbladnir.PatternCache, func() any { return policy.Stats() })
		}
	}
	if r.facade != nil {
		r.watched = append(r.watched, &watched{name: r.facade.Name(), read: func() any { return facadeStats(r.facade) }})
	}
}

func (w *watched) observe() *testdriverpb.PolicyState {
	state := &testdriverpb.PolicyState{Name: w.name}
	switch stats := w.stats.(type) {
	case skidbladnir.CircuitBreakerStats:
		state.State = &testdriverpb.PolicyState_CircuitBreaker{CircuitBreaker: observeCircuit(stats)}
	case skidbladnir.BulkheadStats:
		state.State = &testdriverpb.PolicyState_Bulkhead{Bulkhead: &testdriverpb.BulkheadState{
			ConcurrentExecutions: int64(stats.ConcurrentExecutions), QueueSize: int64(stats.QueueSize),
		}}
	case skidbladnir.CacheStats:
		state.State = &testdriverpb.PolicyState_Cache{Cache: &testdriverpb.CacheState{Size: int64(stats.Size)}}
	case facadeStatus:
		state.State = &testdriverpb.PolicyState_Facade{Facade: stats.observe()}
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

// facadeStatus is skidbladnir.FacadeStatus by value, so that two can be compared.
type facadeStatus struct {
	circuit     skidbladnir.CircuitState
	hasBulkhead bool
	bulkhead    skidbladnir.BulkheadStats
}

func facadeStats(facade *skidbladnir.ResilienceFacade[result]) facadeStatus {
	status := facade.Status()
	seen := facadeStatus{circuit: status.CircuitState, hasBulkhead: status.Bulkhead != nil}
	if seen.hasBulkhead {
		seen.bulkhead = *status.Bulkhead
	}
	return seen
}

func (s facadeStatus) observe() *testdriverpb.FacadeStatus {
	seen := &testdriverpb.FacadeStatus{CircuitState: given(string(s.circuit))}
	if s.hasBulkhead {
		seen.ConcurrentExecutions = ptr(int64(s.bulkhead.ConcurrentExecutions))
		seen.QueueSize = ptr(int64(s.bulkhead.QueueSize))
	}
	return seen
}
