package main

import (
	"fmt"
	"math"
	"time"

	"skidbladnir.dev/driver/testdriverpb"
	"skidbladnir.dev/skidbladnir"
	"skidbladnir.dev/skidbladnir/providers"
)

// unsupported says why this driver cannot run a trace.
type unsupported string

func (u unsupported) Error() string { return string(u) }

// policy builds one policy of a composition.
func (r *run) policy(message *testdriverpb.Policy) (skidbladnir.Policy, error) {
	name := message.GetName()
	switch pattern := message.GetPattern().(type) {
	case *testdriverpb.Policy_CircuitBreaker:
		options := circuitBreaker(pattern.CircuitBreaker)
		options.Name, options.Listeners = name, r.handedOver()
		return skidbladnir.NewCircuitBreaker(options)
	case *testdriverpb.Policy_Retry:
		options := r.retry(pattern.Retry)
		options.Name, options.Listeners = name, r.handedOver()
		return skidbladnir.NewRetry(options)
	case *testdriverpb.Policy_Bulkhead:
		options := bulkhead(pattern.Bulkhead)
		options.Name, options.Listeners = name, r.handedOver()
		return skidbladnir.NewBulkhead(options)
	case *testdriverpb.Policy_Timeout:
		options := timeout(pattern.Timeout)
		options.Name, options.Listeners = name, r.handedOver()
		return skidbladnir.NewTimeout(options)
	case *testdriverpb.Policy_Cache:
		options := cache(pattern.Cache)
		options.Name, options.Listeners = name, r.handedOver()
		return skidbladnir.NewCache[result](options)
	case *testdriverpb.Policy_Fallback:
		return skidbladnir.NewFallback(skidbladnir.FallbackOptions[result]{
			Name: name, Listeners: r.handedOver(),
			Handler: r.handler(pattern.Fallback.GetHandler()),
			When:    matchesError(pattern.Fallback.GetWhen()),
		})
	default:
		return nil, unsupported(fmt.Sprintf("the pattern of policy %q is not known to this driver", name))
	}
}

func (r *run) buildFacade(message *testdriverpb.Facade) (*skidbladnir.ResilienceFacade[result], error) {
	options := skidbladnir.FacadeOptions{
		Name:           message.GetName(),
		CircuitBreaker: circuitBreaker(message.GetCircuitBreaker()),
		Retry:          r.retry(message.GetRetry()),
		Bulkhead:       bulkhead(message.GetBulkhead()),
		Timeout:        timeout(message.GetTimeout()),
		Cache:          cache(message.GetCache()),
		Off:            message.GetOff(),
	}
	if message.Provider != nil {
		known, err := providerFile(message.File != nil, []byte(message.GetFile()))
		if err != nil {
			return nil, err
		}
		config, err := known.Provider(message.GetProvider())
		if err != nil {
			return nil, err
		}
		options = config.Options()
		options.Retry.Random = r.random
	}
	options.Listeners = r.handedOver()
	return skidbladnir.NewResilienceFacade[result](options)
}

func (r *run) buildMonitor(message *testdriverpb.HealthMonitor) (*skidbladnir.ServiceHealthMonitor, error) {
	options := skidbladnir.HealthOptions{
		Providers:            message.GetProviders(),
		Checks:               map[string]skidbladnir.Check{},
		Circuits:             map[string]skidbladnir.Circuit{},
		CheckInterval:        duration(message.CheckIntervalMs),
		CheckTimeout:         duration(message.CheckTimeoutMs),
		DegradedResponseTime: duration(message.DegradedResponseTimeMs),
		DegradedFailureRate:  message.DegradedFailureRate,
		Listeners:            r.handedOver(),
	}
	for _, each := range message.GetCircuits() {
		circuit, err := r.policy(each)
		if err != nil {
			return nil, err
		}
		breaker, ok := circuit.(*skidbladnir.CircuitBreaker)
		if !ok {
			return nil, unsupported("a circuit that is not a circuit breaker")
		}
		r.heard = append(r.heard, breaker)
		r.policies = append(r.policies, breaker)
		options.Circuits[breaker.Name()] = breaker
	}
	for _, each := range message.GetChecks() {
		options.Checks[each.GetProvider()] = r.check(each.GetRounds())
	}
	return skidbladnir.NewServiceHealthMonitor(options)
}

func providerFile(given bool, data []byte) (*providers.Providers, error) {
	if !given {
		return providers.Presets(), nil
	}
	return providers.Parse(data)
}

func circuitBreaker(m *testdriverpb.CircuitBreaker) skidbladnir.CircuitBreakerOptions {
	if m == nil {
		return skidbladnir.CircuitBreakerOptions{}
	}
	options := skidbladnir.CircuitBreakerOptions{
		FailureThreshold:         number(m.FailureThreshold),
		ResetTimeout:             duration(m.ResetTimeoutMs),
		HalfOpenSuccessThreshold: number(m.HalfOpenSuccessThreshold),
		HalfOpenMaxConcurrent:    number(m.HalfOpenMaxConcurrent),
		IsFailure:                matches(m.GetIsFailure()),
		Ignore:                   matches(m.GetIgnore()),
	}
	if window := m.GetWindow(); window != nil {
		options.Window = skidbladnir.Window{
			Kind:         skidbladnir.WindowKind(window.GetKind()),
			Size:         number(window.Size),
			Duration:     duration(window.DurationMs),
			Buckets:      number(window.Buckets),
			MinimumCalls: number(window.MinimumCalls),
			FailureRate:  window.FailureRate,
		}
	}
	if slow := m.GetSlowCall(); slow != nil {
		options.SlowCall = &skidbladnir.SlowCall{Duration: ms(slow.GetDurationMs()), Rate: slow.Rate}
	}
	if backoff := m.GetResetTimeoutBackoff(); backoff != nil {
		options.ResetTimeoutBackoff = &skidbladnir.ResetTimeoutBackoff{
			Max: ms(backoff.GetMaxMs()), Factor: backoff.Factor,
		}
	}
	return options
}

func (r *run) retry(m *testdriverpb.Retry) skidbladnir.RetryOptions {
	if m == nil {
		return skidbladnir.RetryOptions{Random: r.random}
	}
	options := skidbladnir.RetryOptions{
		MaxRetries:      number(m.MaxRetries),
		InitialDelay:    duration(m.InitialDelayMs),
		MaxDelay:        duration(m.MaxDelayMs),
		BackoffFactor:   m.BackoffFactor,
		Jitter:          skidbladnir.Jitter(m.GetJitter()),
		IsRetryable:     matchesError(m.GetIsRetryable()),
		RetryRejections: m.GetRetryRejections(),
		MaxRetryAfter:   duration(m.MaxRetryAfterMs),
		MaxElapsed:      duration(m.MaxElapsedMs),
		Random:          r.random,
	}
	if m.RetryableErrors != nil {
		options.RetryableErrors = append([]string{}, m.GetRetryableErrors().GetPatterns()...)
	}
	return options
}

func bulkhead(m *testdriverpb.Bulkhead) skidbladnir.BulkheadOptions {
	if m == nil {
		return skidbladnir.BulkheadOptions{}
	}
	return skidbladnir.BulkheadOptions{
		MaxConcurrentCalls: number(m.MaxConcurrentCalls),
		MaxQueueSize:       number(m.MaxQueueSize),
		MaxWait:            duration(m.MaxWaitMs),
	}
}

func timeout(m *testdriverpb.Timeout) skidbladnir.TimeoutOptions {
	if m == nil {
		return skidbladnir.TimeoutOptions{}
	}
	return skidbladnir.TimeoutOptions{
		Timeout: duration(m.TimeoutMs), Mode: skidbladnir.TimeoutMode(m.GetMode()),
	}
}

func cache(m *testdriverpb.Cache) skidbladnir.CacheOptions {
	if m == nil {
		return skidbladnir.CacheOptions{}
	}
	return skidbladnir.CacheOptions{
		TTL:                  duration(m.TtlMs),
		StaleWhileRevalidate: m.StaleWhileRevalidate,
		StaleIfError:         m.GetStaleIfError(),
		MaxStale:             duration(m.MaxStaleMs),
		MaxEntries:           number(m.MaxEntries),
	}
}

func number(value *int64) *int {
	if value == nil {
		return nil
	}
	return ptr(int(*value))
}

func duration(value *int64) *time.Duration {
	if value == nil {
		return nil
	}
	return ptr(ms(*value))
}

// ms is a number of milliseconds; more than a Duration holds is the longest there is.
func ms(value int64) time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(max(min(value, most), -most)) * time.Millisecond
}

func ceilMS(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }

func ptr[V any](value V) *V { return &value }
