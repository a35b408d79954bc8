package skidbladnir_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

func TestCircuitOpensAtTheThresholdAndClosesAfterProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{
			FailureThreshold:         sk.Set(2),
			ResetTimeout:             sk.Set(10 * time.Second),
			HalfOpenSuccessThreshold: sk.Set(1),
			Name:                     "zephyr",
			Listeners:                []sk.Listener{seen.listen},
		}))
		for range 2 {
			_, err := sk.Execute(t.Context(), b, boom)
			wantError(t, err, errBoom)
		}
		time.Sleep(3 * time.Second)
		_, err := sk.Execute(t.Context(), b, ok)
		wantError(t, err, sk.ErrCircuitOpen)
		wantEqual(t, "the message", err.Error(), "Circuit breaker is open: zephyr, retry after 7000 ms")
		time.Sleep(7 * time.Second)
		wantEqual(t, "the state until a call comes", b.State(), sk.StateOpen)
		_, err = sk.Execute(t.Context(), b, ok)
		wantEqual(t, "the probe's error", err, nil)
		wantEqual(t, "the state", b.State(), sk.StateClosed)
		wantTypes(t, &seen,
			sk.EventCallAdmitted, sk.EventCallFailed,
			sk.EventCallAdmitted, sk.EventCallFailed, sk.EventCircuitStateChanged,
			sk.EventCallRejected,
			sk.EventCircuitStateChanged, sk.EventCallAdmitted, sk.EventCallSucceeded, sk.EventCircuitStateChanged)
	})
}

func TestRejectionSaysWhatTheCircuitDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{
			FailureThreshold: sk.Set(1), HalfOpenSuccessThreshold: sk.Set(1), ResetTimeout: sk.Set(1500 * time.Microsecond),
		}))
		refused := func(want string, retryAfter time.Duration) {
			t.Helper()
			_, err := sk.Execute(t.Context(), b, ok)
			open, is := err.(*sk.CircuitOpenError)
			if !is {
				t.Fatalf("the error is %v", err)
			}
			wantEqual(t, "the message", open.Error(), want)
			wantEqual(t, "the hint", open.RetryAfter(), retryAfter)
		}
		_, _ = sk.Execute(t.Context(), b, boom)
		refused("Circuit breaker is open: circuit_breaker, retry after 2 ms", 1500*time.Microsecond)
		time.Sleep(2 * time.Millisecond)
		go func() { _, _ = sk.Execute(t.Context(), b, after(time.Minute, "ok", nil)) }()
		synctest.Wait()
		refused("Circuit breaker is open: circuit_breaker, probing", 0)
		b.ForceOpen()
		refused("Circuit breaker is open: circuit_breaker, forced open", 0)
	})
}

func TestRateWindowsOpenAtTheirRate(t *testing.T) {
	for _, window := range []sk.Window{
		{Kind: sk.WindowCount, Size: sk.Set(4), MinimumCalls: sk.Set(4)},
		{Kind: sk.WindowTime, Duration: sk.Set(time.Second), MinimumCalls: sk.Set(4)},
	} {
		t.Run(string(window.Kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{Window: window}))
				for _, op := range []sk.Operation[string]{boom, ok, boom} {
					_, _ = sk.Execute(t.Context(), b, op)
				}
				wantEqual(t, "the state below the minimum of calls", b.State(), sk.StateClosed)
				_, _ = sk.Execute(t.Context(), b, ok)
				wantEqual(t, "the state at the rate, by a success", b.State(), sk.StateOpen)
				stats := b.Stats()
				wantEqual(t, "failures", stats.FailureCount, 2)
				wantEqual(t, "successes", stats.SuccessCount, 2)
			})
		})
	}
}

func TestTimeWindowForgetsABucketAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{Window: sk.Window{
			Kind: sk.WindowTime, Duration: sk.Set(time.Second), Buckets: sk.Set(4), FailureRate: sk.Set(1.0),
		}}))
		for range 5 { // at 0, 200, 400, 600, 800 ms: buckets 0, 0, 1, 2, 3
			_, _ = sk.Execute(t.Context(), b, boom)
			time.Sleep(200 * time.Millisecond)
		}
		wantEqual(t, "failures after bucket 0 has left", b.Stats().FailureCount, 3)
		time.Sleep(time.Hour)
		wantEqual(t, "failures after all have left", b.Stats().FailureCount, 0)
		_, _ = sk.Execute(t.Context(), b, boom)
		wantEqual(t, "failures", b.Stats().FailureCount, 1)
	})
}

func TestSlowCallsOpenTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{
			Window:    sk.Window{Kind: sk.WindowCount, Size: sk.Set(2)},
			SlowCall:  &sk.SlowCall{Duration: time.Second},
			Listeners: []sk.Listener{seen.listen},
		}))
		for range 2 {
			_, _ = sk.Execute(t.Context(), b, after(time.Second, "ok", nil))
		}
		wantEqual(t, "the state", b.State(), sk.StateOpen)
		events := seen.all()
		wantEqual(t, "the reason", events[len(events)-1].Reason, "slow_call_rate")
		wantEqual(t, "slow calls", b.Stats().Slow, 2)
	})
}

func TestResetTimeoutBacksOffUntilTheCircuitCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{
			FailureThreshold:         sk.Set(1),
			HalfOpenSuccessThreshold: sk.Set(1),
			ResetTimeout:             sk.Set(time.Second),
			ResetTimeoutBackoff:      &sk.ResetTimeoutBackoff{Max: 3 * time.Second},
		}))
		for _, want := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} {
			_, _ = sk.Execute(t.Context(), b, boom)
			wantEqual(t, "the reset timeout", b.Stats().RetryAfter, want)
			time.Sleep(want)
		}
		_, _ = sk.Execute(t.Context(), b, ok)
		_, _ = sk.Execute(t.Context(), b, boom)
		wantEqual(t, "the reset timeout after a CLOSED", b.Stats().RetryAfter, time.Second)
	})
}

func TestPredicatesDecideWhatCounts(t *testing.T) {
	b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{
		Ignore:    func(outcome sk.Outcome) bool { return outcome.Err != nil },
		IsFailure: func(outcome sk.Outcome) bool { return outcome.Result == "bad" },
	}))
	for _, value := range []string{"bad", "good"} {
		_, _ = sk.Execute(t.Context(), b, func(context.Context) (string, error) { return value, nil })
	}
	_, err := sk.Execute(t.Context(), b, boom)
	wantError(t, err, errBoom)
	stats := b.Stats()
	wantEqual(t, "failures, successes, ignored", [3]int64{stats.Failures, stats.Successes, stats.Ignored}, [3]int64{1, 1, 1})
}

func TestLateFailureOfAnEarlierGenerationChangesTotalsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{
			FailureThreshold: sk.Set(1), ResetTimeout: sk.Set(time.Second),
		}))
		go func() { _, _ = sk.Execute(t.Context(), b, after(700*time.Millisecond, "", errBoom)) }()
		synctest.Wait()
		_, _ = sk.Execute(t.Context(), b, boom)
		time.Sleep(700 * time.Millisecond)
		synctest.Wait()
		stats := b.Stats()
		wantEqual(t, "what is left of OPEN", stats.RetryAfter, 300*time.Millisecond)
		wantEqual(t, "failures in all", stats.Failures, 2)
		wantEqual(t, "the count that opened it", stats.FailureCount, 1)
	})
}

func TestCircuitBreakerRefusesBadOptions(t *testing.T) {
	count, duration := sk.Window{Kind: sk.WindowCount}, sk.Window{Kind: sk.WindowTime, Buckets: sk.Set(1001)}
	for _, test := range []struct {
		options    sk.CircuitBreakerOptions
		code, path string
	}{
		{sk.CircuitBreakerOptions{FailureThreshold: sk.Set(0)}, sk.CodeRange, "failure_threshold"},
		{sk.CircuitBreakerOptions{ResetTimeout: sk.Set(-time.Second)}, sk.CodeRange, "reset_timeout_ms"},
		{sk.CircuitBreakerOptions{ResetTimeout: sk.Set(time.Duration(1<<31) * time.Millisecond)}, sk.CodeRange, "reset_timeout_ms"},
		{sk.CircuitBreakerOptions{HalfOpenSuccessThreshold: sk.Set(0)}, sk.CodeRange, "half_open_success_threshold"},
		{sk.CircuitBreakerOptions{HalfOpenMaxConcurrent: sk.Set(0)}, sk.CodeRange, "half_open_max_concurrent"},
		{sk.CircuitBreakerOptions{Window: sk.Window{Kind: "tumbling"}}, sk.CodeEnum, "window.kind"},
		{sk.CircuitBreakerOptions{Window: sk.Window{Size: sk.Set(3)}}, sk.CodeConflict, "window.size"},
		{sk.CircuitBreakerOptions{Window: duration}, sk.CodeRange, "window.buckets"},
		{sk.CircuitBreakerOptions{Window: sk.Window{Kind: sk.WindowCount, Size: sk.Set(0)}}, sk.CodeRange, "window.size"},
		{sk.CircuitBreakerOptions{Window: sk.Window{Kind: sk.WindowCount, Size: sk.Set(5), MinimumCalls: sk.Set(6)}}, sk.CodeRange, "window.minimum_calls"},
		{sk.CircuitBreakerOptions{Window: sk.Window{Kind: sk.WindowCount, FailureRate: sk.Set(0.0)}}, sk.CodeRange, "window.failure_rate"},
		{sk.CircuitBreakerOptions{Window: count, FailureThreshold: sk.Set(5)}, sk.CodeConflict, "failure_threshold"},
		{sk.CircuitBreakerOptions{SlowCall: &sk.SlowCall{Duration: time.Second}}, sk.CodeConflict, "slow_call"},
		{sk.CircuitBreakerOptions{Window: count, SlowCall: &sk.SlowCall{}}, sk.CodeRange, "slow_call.duration_ms"},
		{sk.CircuitBreakerOptions{Window: count, SlowCall: &sk.SlowCall{Duration: time.Second, Rate: sk.Set(1.5)}}, sk.CodeRange, "slow_call.rate"},
		{sk.CircuitBreakerOptions{ResetTimeoutBackoff: &sk.ResetTimeoutBackoff{Max: time.Second}}, sk.CodeRange, "reset_timeout_backoff.max_ms"},
		{sk.CircuitBreakerOptions{ResetTimeoutBackoff: &sk.ResetTimeoutBackoff{Max: time.Minute, Factor: sk.Set(0.5)}}, sk.CodeRange, "reset_timeout_backoff.factor"},
	} {
		t.Run(fmt.Sprint(test.code, " ", test.path), func(t *testing.T) {
			_, err := sk.NewCircuitBreaker(test.options)
			wantConfigurationError(t, err, test.code, "circuit_breaker."+test.path)
		})
	}
}
