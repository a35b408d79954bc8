package main

import (
	"fmt"
	"time"

	"skidbladnir.dev/driver/testdriverpb"
	"skidbladnir.dev/skidbladnir"
)

// ms is an optional number of milliseconds as an option.
func ms(value *int64) *time.Duration {
	if value == nil {
		return nil
	}
	return skidbladnir.Set(time.Duration(*value) * time.Millisecond)
}

// count is an optional whole number as an option.
func count(value *int64) *int {
	if value == nil {
		return nil
	}
	return skidbladnir.Set(int(*value))
}

func circuitBreakerOptions(name string, m *testdriverpb.CircuitBreaker) skidbladnir.CircuitBreakerOptions {
	options := skidbladnir.CircuitBreakerOptions{Name: name}
	if m == nil {
		return options
	}
	options.FailureThreshold = count(m.FailureThreshold)
	options.ResetTimeout = ms(m.ResetTimeoutMs)
	options.HalfOpenSuccessThreshold = count(m.HalfOpenSuccessThreshold)
	options.HalfOpenMaxConcurrent = count(m.HalfOpenMaxConcurrent)
	options.IsFailure = matches(m.IsFailure)
	options.Ignore = matches(m.Ignore)
	if w := m.Window; w != nil {
		options.Window = skidbladnir.Window{
			Kind:         skidbladnir.WindowKind(w.Kind),
			Size:         count(w.Size),
			Duration:     ms(w.DurationMs),
			Buckets:      count(w.Buckets),
			MinimumCalls: count(w.MinimumCalls),
			FailureRate:  w.FailureRate,
		}
	}
	if s := m.SlowCall; s != nil {
		options.SlowCall = &skidbladnir.SlowCall{Duration: *ms(&s.DurationMs), Rate: s.Rate}
	}
	if b := m.ResetTimeoutBackoff; b != nil {
		options.ResetTimeoutBackoff = &skidbladnir.ResetTimeoutBackoff{Max: *ms(&b.MaxMs), Factor: b.Factor}
	}
	return options
}

func retryOptions(name string, m *testdriverpb.Retry, random func() float64) skidbladnir.RetryOptions {
	options := skidbladnir.RetryOptions{Name: name, Random: random}
	if m == nil {
		return options
	}
	options.MaxRetries = count(m.MaxRetries)
	options.InitialDelay = ms(m.InitialDelayMs)
	options.MaxDelay = ms(m.MaxDelayMs)
	options.BackoffFactor = m.BackoffFactor
	options.Jitter = skidbladnir.Jitter(m.GetJitter())
	options.IsRetryable = matchesError(m.IsRetryable)
	options.RetryRejections = m.GetRetryRejections()
	options.MaxRetryAfter = ms(m.MaxRetryAfterMs)
	options.MaxElapsed = ms(m.MaxElapsedMs)
	if m.RetryableErrors != nil {
		options.RetryableErrors = append([]string{}, m.RetryableErrors.Patterns...)
	}
	return options
}

func bulkheadOptions(name string, m *testdriverpb.Bulkhead) skidbladnir.BulkheadOptions {
	options := skidbladnir.BulkheadOptions{Name: name}
	if m == nil {
		return options
	}
	options.MaxConcurrentCalls = count(m.MaxConcurrentCalls)
	options.MaxQueueSize = count(m.MaxQueueSize)
	options.MaxWait = ms(m.MaxWaitMs)
	return options
}

func timeoutOptions(name string, m *testdriverpb.Timeout) skidbladnir.TimeoutOptions {
	options := skidbladnir.TimeoutOptions{Name: name}
	if m == nil {
		return options
	}
	options.Timeout = ms(m.TimeoutMs)
	options.Mode = skidbladnir.TimeoutMode(m.GetMode())
	return options
}

func cacheOptions(name string, m *testdriverpb.Cache) skidbladnir.CacheOptions {
	options := skidbladnir.CacheOptions{Name: name}
	if m == nil {
		return options
	}
	options.TTL = ms(m.TtlMs)
	options.StaleWhileRevalidate = m.StaleWhileRevalidate
	options.StaleIfError = m.GetStaleIfError()
	options.MaxStale = ms(m.MaxStaleMs)
	options.MaxEntries = count(m.MaxEntries)
	return options
}

// policy is one policy of a composition.
func (o *operations) policy(m *testdriverpb.Policy, random func() float64) (skidbladnir.Policy, error) {
	name := m.GetName()
	switch pattern := m.Pattern.(type) {
	case *testdriverpb.Policy_CircuitBreaker:
		return skidbladnir.NewCircuitBreaker(circuitBreakerOptions(name, pattern.CircuitBreaker))
	case *testdriverpb.Policy_Retry:
		return skidbladnir.NewRetry(retryOptions(name, pattern.Retry, random))
	case *testdriverpb.Policy_Bulkhead:
		return skidbladnir.NewBulkhead(bulkheadOptions(name, pattern.Bulkhead))
	case *testdriverpb.Policy_Timeout:
		return skidbladnir.NewTimeout(timeoutOptions(name, pattern.Timeout))
	case *testdriverpb.Policy_Cache:
		return skidbladnir.NewCache[any](cacheOptions(name, pattern.Cache))
	case *testdriverpb.Policy_Fallback:
		return skidbladnir.NewFallback(skidbladnir.FallbackOptions[any]{
			Name:    name,
			Handler: o.handler(pattern.Fallback.GetHandler()),
			When:    matchesError(pattern.Fallback.GetWhen()),
		})
	default:
		return nil, unsupported(fmt.Sprintf("the pattern of policy %q is not known to this driver", name))
	}
}

// facade is a facade from a provider's options or from its sections.
func facade(m *testdriverpb.Facade, random func() float64) (*skidbladnir.ResilienceFacade[any], error) {
	if m.Provider != nil {
		return providerFacade(m)
	}
	return skidbladnir.NewResilienceFacade[any](skidbladnir.FacadeOptions{
		Name:           m.GetName(),
		CircuitBreaker: circuitBreakerOptions("", m.CircuitBreaker),
		Retry:          retryOptions("", m.Retry, random),
		Bulkhead:       bulkheadOptions("", m.Bulkhead),
		Timeout:        timeoutOptions("", m.Timeout),
		Cache:          cacheOptions("", m.Cache),
		Off:            m.Off,
	})
}

// health is a monitor, and its circuits in their order.
func (o *operations) health(
	m *testdriverpb.HealthMonitor,
) (*skidbladnir.ServiceHealthMonitor, []skidbladnir.Policy, error) {
	options := skidbladnir.HealthOptions{
		Providers:            m.Providers,
		Checks:               map[string]skidbladnir.Check{},
		Circuits:             map[string]skidbladnir.Circuit{},
		CheckInterval:        ms(m.CheckIntervalMs),
		CheckTimeout:         ms(m.CheckTimeoutMs),
		DegradedResponseTime: ms(m.DegradedResponseTimeMs),
		DegradedFailureRate:  m.DegradedFailureRate,
	}
	for _, check := range m.Checks {
		options.Checks[check.Provider] = o.check(check.Rounds)
	}
	var circuits []skidbladnir.Policy
	for _, each := range m.Circuits {
		circuit, err := skidbladnir.NewCircuitBreaker(circuitBreakerOptions(each.GetName(), each.GetCircuitBreaker()))
		if err != nil {
			return nil, nil, err
		}
		options.Circuits[each.GetName()] = circuit
		circuits = append(circuits, circuit)
	}
	monitor, err := skidbladnir.NewServiceHealthMonitor(options)
	return monitor, circuits, err
}
