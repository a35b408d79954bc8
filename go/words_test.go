package skidbladnir_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

// errorOf is the error of a constructor.
func errorOf[P any](_ P, err error) error { return err }

// GN-16: the catalogue holds paths and codes, this the words for people.
func TestConfigurationErrorsSayWhatIsAllowed(t *testing.T) {
	breaker := func(options sk.CircuitBreakerOptions) error { return errorOf(sk.NewCircuitBreaker(options)) }
	window := func(window sk.Window) error { return breaker(sk.CircuitBreakerOptions{Window: window}) }
	retry := func(options sk.RetryOptions) error { return errorOf(sk.NewRetry(options)) }
	health := func(options sk.HealthOptions) error { return errorOf(sk.NewServiceHealthMonitor(options)) }
	check := func(context.Context) (bool, error) { return true, nil }
	checks := map[string]sk.Check{"a": check, "b": check}
	zero := time.Duration(0)
	for _, test := range []struct {
		err  error
		want string
	}{
		{breaker(sk.CircuitBreakerOptions{FailureThreshold: sk.Set(0)}),
			"circuit_breaker.failure_threshold: 0 is not allowed: 1 to 2147483647"},
		{breaker(sk.CircuitBreakerOptions{ResetTimeoutBackoff: &sk.ResetTimeoutBackoff{Factor: sk.Set(0.5), Max: time.Hour}}),
			"circuit_breaker.reset_timeout_backoff.factor: 0.5 is not allowed: 1 to 1000"},
		{breaker(sk.CircuitBreakerOptions{ResetTimeoutBackoff: &sk.ResetTimeoutBackoff{Max: time.Second}, ResetTimeout: sk.Set(time.Minute)}),
			"circuit_breaker.reset_timeout_backoff.max_ms: 1000 is not allowed: at least reset_timeout_ms (60000)"},
		{breaker(sk.CircuitBreakerOptions{Window: sk.Window{Kind: sk.WindowTime}, FailureThreshold: sk.Set(3)}),
			"circuit_breaker.failure_threshold: 3 is not allowed: not with the window time"},
		{breaker(sk.CircuitBreakerOptions{SlowCall: &sk.SlowCall{Duration: time.Second}}),
			"circuit_breaker.slow_call: an option is not allowed: only with the windows count and time"},
		{window(sk.Window{Kind: sk.WindowTime, Size: sk.Set(5)}),
			"circuit_breaker.window.size: an option is not allowed: not with the window time"},
		{window(sk.Window{Kind: sk.WindowCount, FailureRate: sk.Set(0.0)}),
			"circuit_breaker.window.failure_rate: 0 is not allowed: above 0 to 1"},
		{window(sk.Window{Kind: "sliding"}),
			"circuit_breaker.window.kind: sliding is not allowed: one of consecutive, cumulative, count, time"},
		{retry(sk.RetryOptions{RetryableErrors: []string{"ok", "/(/"}}),
			"retry.retryable_errors[1]: ( is not allowed: a regular expression (error parsing regexp: missing closing ): `(`)"},
		{retry(sk.RetryOptions{RetryableErrors: []string{}, IsRetryable: func(error) bool { return true }}),
			"retry.is_retryable: a predicate is not allowed: not with retryable_errors"},
		{errorOf(sk.NewTimeout(sk.TimeoutOptions{Timeout: &zero})),
			"timeout.timeout_ms: 0 is not allowed: 1 to 2147483647 ms"},
		{errorOf(sk.NewFallback(sk.FallbackOptions[string]{})),
			"fallback.handler: <nil> is not allowed: a function"},
		{errorOf(sk.Compose()), "compose: nothing is not allowed: at least one policy"},
		{errorOf(sk.Compose(made(sk.NewBulkhead(sk.BulkheadOptions{})), nil)), "compose[1]: <nil> is not allowed: a policy"},
		{errorOf(sk.NewResilienceFacade[string](sk.FacadeOptions{Off: []string{"cache", "caching"}})),
			"facade.off[1]: caching is not allowed: one of circuit_breaker, retry, bulkhead, timeout, cache"},
		{errorOf(sk.Execute(t.Context(), sk.Policy(made(sk.NewCache[int](sk.CacheOptions{}))), ok)),
			"cache: *skidbladnir.Cache[int] is not allowed: a policy for operations that return string"},
		{health(sk.HealthOptions{}), "health.providers: nothing is not allowed: at least one"},
		{health(sk.HealthOptions{Providers: []string{"a", "a"}, Checks: checks}), "health.providers: a is not allowed: each name once"},
		{health(sk.HealthOptions{Providers: []string{"c"}}), "health.checks.c: <nil> is not allowed: a check for each provider"},
		{health(sk.HealthOptions{Providers: []string{"a", "b"}, Checks: map[string]sk.Check{"a": check, "b": check, "c": check}}),
			"health.checks.c: c is not allowed: a, b"},
		{health(sk.HealthOptions{Providers: []string{"a", "b"}, Checks: checks, Circuits: map[string]sk.Circuit{"c": nil}}),
			"health.circuits.c: c is not allowed: a, b"},
	} {
		t.Run(test.want, func(t *testing.T) {
			if test.err == nil {
				t.Fatal("it is allowed")
			}
			wantEqual(t, "the error", test.err.Error(), test.want)
		})
	}
}

// Of several mistakes in a map the same one is told each time.
func TestMisspeltProvidersAreToldInOrder(t *testing.T) {
	check := func(context.Context) (bool, error) { return true, nil }
	checks := map[string]sk.Check{"a": check}
	for _, name := range []string{"n", "m", "l", "k", "j", "i", "h", "g", "f", "e", "d", "c", "b"} {
		checks[name] = check
	}
	for range 10 {
		_, err := sk.NewServiceHealthMonitor(sk.HealthOptions{Providers: []string{"a"}, Checks: checks})
		wantConfigurationError(t, err, sk.CodeUnknownKey, "health.checks.b")
	}
}

func TestErrorsToCompareWithSayWhatTheyAre(t *testing.T) {
	for err, want := range map[error]string{
		sk.ErrRejected:            "call rejected",
		sk.ErrCircuitOpen:         "circuit breaker is open",
		sk.ErrBulkheadFull:        "bulkhead is full",
		sk.ErrBulkheadWaitTimeout: "bulkhead wait timed out",
		sk.ErrTimeout:             "operation timed out",
		sk.ErrCancelled:           "call cancelled",
		sk.ErrPanicked:            "the operation panicked or exited its goroutine",
	} {
		wantEqual(t, "the text", err.Error(), want)
	}
}

// FB-3: an error of a handler that is a policy's own counts as that.
func TestCodeOfAHandlersErrorIsThatOfTheFallbackError(t *testing.T) {
	open := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{}))
	open.ForceOpen()
	fallback := made(sk.NewFallback(sk.FallbackOptions[string]{
		Handler: func(ctx context.Context, _ error) (string, error) { return sk.Execute(ctx, open, ok) },
	}))
	retry := made(sk.NewRetry(sk.RetryOptions{InitialDelay: sk.Set(time.Duration(0))}))
	attempts := 0
	_, err := sk.Execute(t.Context(), made(sk.Compose(retry, fallback)), func(context.Context) (string, error) {
		attempts++
		return "", errBoom
	})
	wantEqual(t, "the code", sk.Code(err), sk.CodeCircuitOpen)
	wantEqual(t, "the attempts, where a rejection is not retried", attempts, 1)
	wantError(t, err, errBoom)
}

// GN-5: a policy inside may have been given a context of its own.
func TestCancellationOfAnInnerContextIsACancellation(t *testing.T) {
	b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{}))
	inner := made(sk.NewBulkhead(sk.BulkheadOptions{}))
	_, err := sk.Execute(t.Context(), b, func(ctx context.Context) (string, error) {
		given, cancel := context.WithCancel(ctx)
		cancel()
		return sk.Execute(given, inner, ok)
	})
	wantError(t, err, sk.ErrCancelled)
	wantEqual(t, "cancelled", b.Stats().Cancelled, 1)
	wantEqual(t, "failures", b.Stats().Failures, 0)
}

// What an error wraps may be nothing.
func TestErrorThatWrapsNothingHasNoMoreText(t *testing.T) {
	wantEqual(t, "retried", isRetried(t, "nil", emptyWrapper{}), false)
	wantEqual(t, "retried by its type", isRetried(t, "emptyWrapper", emptyWrapper{}), true)
}

type emptyWrapper struct{}

func (emptyWrapper) Error() string { return "empty" }
func (emptyWrapper) Unwrap() error { return nil }

// CB-8: what is left of a millisecond is a millisecond.
func TestRetryAfterIsRoundedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{FailureThreshold: sk.Set(1), ResetTimeout: sk.Set(time.Second)}))
		_, _ = sk.Execute(t.Context(), b, boom)
		time.Sleep(500*time.Millisecond - time.Nanosecond)
		_, err := sk.Execute(t.Context(), b, ok)
		wantEqual(t, "the error", err.Error(), "Circuit breaker is open: circuit_breaker, retry after 501 ms")
	})
}

// HM-7: who has given up already asks for nothing.
func TestRoundIsNotRunForACallerWhoHasGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := 0
		m := monitorOf(sk.HealthOptions{}, func(context.Context) (bool, error) {
			checks++
			return true, nil
		})
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errBoom)
		err := m.CheckAll(ctx)
		synctest.Wait()
		wantError(t, err, errBoom)
		wantEqual(t, "the error", err.Error(), "Call cancelled: health")
		wantEqual(t, "checks", checks, 0)
	})
}

func TestPanicsAreLoggedWithTheirPlace(t *testing.T) {
	bad := func(context.Context) (string, error) { panic("bad news") }
	wantLogged(t, `msg="skidbladnir: a health check panicked" provider=zephyr panic="bad news" stack="goroutine`, func() {
		m := monitorOf(sk.HealthOptions{}, func(ctx context.Context) (bool, error) {
			_, err := bad(ctx)
			return true, err
		})
		wantEqual(t, "the round's error", m.CheckAll(t.Context()), nil)
	})
	wantLogged(t, `msg="skidbladnir: a listener panicked" event=call_admitted policy=circuit_breaker panic="bad news"`, func() {
		b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{Listeners: []sk.Listener{func(event sk.Event) {
			if event.Type == sk.EventCallAdmitted {
				panic("bad news")
			}
		}}}))
		_, err := sk.Execute(t.Context(), b, ok)
		wantEqual(t, "the call's error", err, nil)
	})
	synctest.Test(t, func(t *testing.T) {
		const abandoned = `msg="skidbladnir: an abandoned operation panicked or exited its goroutine" policy=timeout panic="bad news" stack="goroutine`
		wantLogged(t, abandoned, func() {
			timeout := made(sk.NewTimeout(sk.TimeoutOptions{Timeout: sk.Set(time.Second), Mode: sk.ModeAbandon}))
			_, err := sk.Execute(t.Context(), timeout, func(ctx context.Context) (string, error) {
				time.Sleep(2 * time.Second)
				return bad(ctx)
			})
			wantError(t, err, sk.ErrTimeout)
			time.Sleep(2 * time.Second)
			synctest.Wait()
		})
		const refresh = `msg="skidbladnir: a background refresh panicked or exited its goroutine" policy=cache key=k panic="bad news" stack="goroutine`
		wantLogged(t, refresh, func() {
			cache := made(sk.NewCache[string](sk.CacheOptions{TTL: sk.Set(time.Second), StaleWhileRevalidate: sk.Set(true)}))
			ctx := sk.WithKey(t.Context(), "k")
			first, err := sk.Execute(ctx, cache, ok)
			wantEqual(t, "the first error", err, nil)
			time.Sleep(2 * time.Second)
			second, err := sk.Execute(ctx, cache, bad)
			wantEqual(t, "the second error", err, nil)
			wantEqual(t, "the stale value", second, first)
			synctest.Wait()
		})
	})
}

// RT-3: without a source of numbers of its own a retry draws from the standard library's.
func TestJitterNeedsNoSourceOfNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		retry := made(sk.NewRetry(sk.RetryOptions{MaxRetries: sk.Set(1), InitialDelay: sk.Set(time.Second), Jitter: sk.JitterFull}))
		_, err := sk.Execute(t.Context(), retry, boom)
		wantError(t, err, errBoom)
		if took := time.Since(began); took < 0 || took >= time.Second {
			t.Errorf("the delay was %v", took)
		}
	})
}

// EV-4: what AddListener of a facade returns removes the listener from every pattern.
func TestListenerOfAFacadeIsRemovedEverywhere(t *testing.T) {
	var seen recorder
	facade := made(sk.NewResilienceFacade[string](sk.FacadeOptions{Retry: sk.RetryOptions{MaxRetries: sk.Set(0)}}))
	remove := facade.AddListener(seen.listen)
	call := func() {
		_, err := facade.ExecuteWithFallback(t.Context(), "k", boom, func(context.Context, error) (string, error) { return "plan b", nil })
		wantEqual(t, "the error", err, nil)
	}
	call()
	wantEqual(t, "fallbacks told", seen.count(sk.EventFallbackUsed), 1)
	wantEqual(t, "failures told", seen.count(sk.EventCallFailed), 1)
	remove()
	call()
	wantEqual(t, "fallbacks told", seen.count(sk.EventFallbackUsed), 1)
	wantEqual(t, "failures told", seen.count(sk.EventCallFailed), 1)
}

// Listeners and abandoned operations that are well say nothing to the log.
func TestNothingIsLoggedWhereNothingPanics(t *testing.T) {
	var log strings.Builder
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	var seen recorder
	_, err := sk.Execute(t.Context(), made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{Listeners: []sk.Listener{seen.listen}})), ok)
	wantEqual(t, "the error", err, nil)
	synctest.Test(t, func(t *testing.T) {
		timeout := made(sk.NewTimeout(sk.TimeoutOptions{Timeout: sk.Set(time.Second), Mode: sk.ModeAbandon}))
		_, err := sk.Execute(t.Context(), timeout, stubborn(2*time.Second, "late", nil))
		wantError(t, err, sk.ErrTimeout)
		time.Sleep(2 * time.Second)
		synctest.Wait()
	})
	wantEqual(t, "the log", log.String(), "")
}

// HM-5: a facade is a circuit.
func TestFacadesCircuitCountsForItsProvider(t *testing.T) {
	facade := made(sk.NewResilienceFacade[string](sk.FacadeOptions{}))
	m := monitorOf(sk.HealthOptions{Circuits: map[string]sk.Circuit{"zephyr": facade}},
		func(context.Context) (bool, error) { return true, nil })
	facade.CircuitBreaker().ForceOpen()
	wantEqual(t, "the round's error", m.CheckAll(t.Context()), nil)
	health, _ := m.Health("zephyr")
	wantEqual(t, "the status", health.Status, sk.HealthDegraded)
	wantEqual(t, "the circuit", health.CircuitState, sk.StateForcedOpen)
	without := made(sk.NewResilienceFacade[string](sk.FacadeOptions{Off: []string{sk.PatternCircuitBreaker}}))
	wantEqual(t, "the state of no circuit", without.State(), sk.StateClosed)
}
