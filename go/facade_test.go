package skidbladnir_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

func TestFacadeCountsOneOutcomeAfterTheRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		facade := made(sk.NewResilienceFacade[string](sk.FacadeOptions{}))
		value, err := facade.ExecuteWithFallback(t.Context(), "key", boom,
			func(_ context.Context, err error) (string, error) {
				wantEqual(t, "the fallback's error", err, errBoom)
				return "fallback", nil
			})
		wantEqual(t, "the value", value, "fallback")
		wantEqual(t, "the error", err, nil)
		wantEqual(t, "failures", facade.CircuitBreaker().Stats().Failures, 1)
	})
}

func TestFacadesCacheHitTouchesNothingInside(t *testing.T) {
	facade := made(sk.NewResilienceFacade[string](sk.FacadeOptions{}))
	for range 3 {
		_, _ = facade.Execute(t.Context(), "key", ok)
	}
	wantEqual(t, "calls", facade.CircuitBreaker().Stats().Calls, 1)
	facade.InvalidateCache("key")
	_, _ = facade.Execute(t.Context(), "key", ok)
	_, _ = facade.Execute(t.Context(), sk.NoKey, ok)
	wantEqual(t, "calls after an invalidation and one without a key", facade.CircuitBreaker().Stats().Calls, 3)
}

func TestFacadesPoliciesCarryItsName(t *testing.T) {
	facade := made(sk.NewResilienceFacade[string](sk.FacadeOptions{
		Name: "zephyr", Retry: sk.RetryOptions{Name: "not this", MaxRetries: sk.Set(0)},
	}))
	for _, policy := range []sk.Policy{
		facade, facade.CircuitBreaker(), facade.Retry(), facade.Bulkhead(), facade.Timeout(), facade.Cache(),
	} {
		wantEqual(t, "the name", policy.Name(), "zephyr")
	}
	facade.AddListener(func(event sk.Event) { wantEqual(t, "the event's policy", event.Policy, "zephyr") })
	_, _ = facade.ExecuteWithFallback(t.Context(), "key", boom, func(context.Context, error) (string, error) { return "", nil })
}

func TestFacadeWorksWithoutWhatIsOff(t *testing.T) {
	all := []string{sk.PatternCircuitBreaker, sk.PatternRetry, sk.PatternBulkhead, sk.PatternTimeout, sk.PatternCache}
	facade := made(sk.NewResilienceFacade[string](sk.FacadeOptions{Off: all}))
	value, err := facade.Execute(t.Context(), "key", ok)
	wantEqual(t, "the error", err, nil)
	wantEqual(t, "the value", value, "ok")
	wantEqual(t, "the status", facade.Status(), sk.FacadeStatus{})
	wantEqual(t, "the state", facade.State(), sk.StateClosed)
	facade.InvalidateCache("key")
	facade.Close()
	_, err = sk.NewResilienceFacade[string](sk.FacadeOptions{Off: []string{"hedge"}})
	wantConfigurationError(t, err, sk.CodeEnum, "facade.off[0]")
}

func TestFacadeIsAPolicy(t *testing.T) {
	facade := made(sk.NewResilienceFacade[string](sk.FacadeOptions{Retry: sk.RetryOptions{MaxRetries: sk.Set(0)}}))
	value, err := sk.Execute(t.Context(), made(sk.Compose(fallbackTo("fallback", nil), facade)), boom)
	wantEqual(t, "the error", err, nil)
	wantEqual(t, "the value", value, "fallback")
	wantEqual(t, "failures", facade.CircuitBreaker().Stats().Failures, 1)
}

func TestFacadesStatusShowsStateAndLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		facade := made(sk.NewResilienceFacade[string](sk.FacadeOptions{
			Bulkhead: sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(1)},
		}))
		occupy(t, facade, 3, time.Second)
		status := facade.Status()
		wantEqual(t, "the state", status.CircuitState, sk.StateClosed)
		wantEqual(t, "the load", *status.Bulkhead, sk.BulkheadStats{ConcurrentExecutions: 1, QueueSize: 2})
	})
}

func TestFacadeRefusesBadOptionsOfItsSections(t *testing.T) {
	for path, options := range map[string]sk.FacadeOptions{
		"circuit_breaker.failure_threshold": {CircuitBreaker: sk.CircuitBreakerOptions{FailureThreshold: sk.Set(0)}},
		"retry.max_retries":                 {Retry: sk.RetryOptions{MaxRetries: sk.Set(-1)}},
		"bulkhead.max_queue_size":           {Bulkhead: sk.BulkheadOptions{MaxQueueSize: sk.Set(-1)}},
		"timeout.timeout_ms":                {Timeout: sk.TimeoutOptions{Timeout: sk.Set(time.Duration(0))}},
		"cache.max_entries":                 {Cache: sk.CacheOptions{MaxEntries: sk.Set(0)}},
	} {
		_, err := sk.NewResilienceFacade[string](options)
		wantConfigurationError(t, err, sk.CodeRange, path)
	}
}
