package skidbladnir_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

func fallbackTo(value string, err error) *sk.Fallback[string] {
	return made(sk.NewFallback(sk.FallbackOptions[string]{
		Handler: func(context.Context, error) (string, error) { return value, err },
	}))
}

func TestFirstPolicyNamedIsOutermost(t *testing.T) {
	breaker := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{}))
	retry := made(sk.NewRetry(sk.RetryOptions{MaxRetries: sk.Set(2), InitialDelay: sk.Set(time.Duration(0))}))
	_, _ = sk.Execute(t.Context(), made(sk.Compose(breaker, retry)), boom)
	wantEqual(t, "outcomes seen outside the retry", breaker.Stats().Failures, 1)
	_, _ = sk.Execute(t.Context(), made(sk.Compose(retry, breaker)), boom)
	wantEqual(t, "outcomes seen inside it too", breaker.Stats().Failures, 4)
}

func TestLoadAloneDoesNotOpenTheCircuit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		breaker := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{FailureThreshold: sk.Set(1)}))
		bulkhead := made(sk.NewBulkhead(sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(1), MaxQueueSize: sk.Set(0)}))
		policy := made(sk.Compose(breaker, bulkhead))
		occupy(t, policy, 1, time.Second)
		_, err := sk.Execute(t.Context(), policy, ok)
		wantError(t, err, sk.ErrBulkheadFull)
		wantEqual(t, "the state", breaker.State(), sk.StateClosed)
		wantEqual(t, "ignored", breaker.Stats().Ignored, 1)
	})
}

// The handler's failure counts, even where the first error was a rejection.
func TestFailedFallbackOfARejectionIsAFailure(t *testing.T) {
	outer := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{}))
	inner := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{}))
	inner.ForceOpen()
	_, err := sk.Execute(t.Context(), made(sk.Compose(outer, fallbackTo("", errBoom), inner)), ok)
	wantError(t, err, errBoom)
	wantError(t, err, sk.ErrCircuitOpen)
	wantEqual(t, "the code", sk.Code(err), sk.CodeOperation)
	wantEqual(t, "failures", outer.Stats().Failures, 1)
}

func TestTimeoutIsAFailureForPoliciesOutside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		breaker := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{}))
		timeout := made(sk.NewTimeout(sk.TimeoutOptions{}))
		_, _ = sk.Execute(t.Context(), made(sk.Compose(breaker, timeout)), after(time.Hour, "", nil))
		wantEqual(t, "failures", breaker.Stats().Failures, 1)
		_, _ = sk.Execute(t.Context(), made(sk.Compose(timeout, breaker)), after(time.Hour, "", nil))
		wantEqual(t, "cancelled inside the timeout", breaker.Stats().Cancelled, 1)
	})
}

func TestCompositionsUnfold(t *testing.T) {
	var seen recorder
	breaker := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{Name: "breaker"}))
	inner := made(sk.Compose(breaker, made(sk.NewRetry(sk.RetryOptions{MaxRetries: sk.Set(0)}))))
	policy := made(sk.Compose(fallbackTo("fallback", nil), inner))
	remove := policy.AddListener(seen.listen)
	wantEqual(t, "the name", policy.Name(), "fallback")
	value, _ := sk.Execute(t.Context(), policy, boom)
	wantEqual(t, "the value", value, "fallback")
	wantTypes(t, &seen, sk.EventCallAdmitted, sk.EventRetryExhausted, sk.EventCallFailed, sk.EventFallbackUsed)
	remove()
	_, _ = sk.Execute(t.Context(), policy, boom)
	wantEqual(t, "events after the listener was removed", len(seen.all()), 4)
}

func TestComposeRefusesNothing(t *testing.T) {
	_, err := sk.Compose()
	wantConfigurationError(t, err, sk.CodeRange, "compose")
	_, err = sk.Compose(fallbackTo("", nil), nil)
	wantConfigurationError(t, err, sk.CodeType, "compose[1]")
}

func TestPolicyForAnotherTypeIsAClearError(t *testing.T) {
	for _, policy := range []sk.Policy{made(sk.NewCache[int](sk.CacheOptions{})), made(sk.NewFallback(sk.FallbackOptions[int]{
		Handler: func(context.Context, error) (int, error) { return 0, nil },
	}))} {
		_, err := sk.Execute(t.Context(), policy, ok)
		wantConfigurationError(t, err, sk.CodeType, policy.Name())
	}
}

// GN-6.
func TestCallThatIsCancelledBeforeItStartsTouchesNothing(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBoom)
	var seen recorder
	facade := made(sk.NewResilienceFacade[string](sk.FacadeOptions{Name: "zephyr", Listeners: []sk.Listener{seen.listen}}))
	_, err := facade.ExecuteWithFallback(ctx, "key", func(context.Context) (string, error) {
		t.Error("the operation ran")
		return "", nil
	}, func(context.Context, error) (string, error) {
		t.Error("the fallback ran")
		return "", nil
	})
	wantError(t, err, sk.ErrCancelled)
	wantError(t, err, errBoom)
	wantEqual(t, "the message", err.Error(), "Call cancelled: zephyr")
	wantEqual(t, "calls", facade.CircuitBreaker().Stats().Calls, 0)
	wantTypes(t, &seen)
}

func TestFallbackAnswersInPlaceOfFailures(t *testing.T) {
	value, err := sk.Execute(t.Context(), fallbackTo("fallback", nil), boom)
	wantEqual(t, "the value", value, "fallback")
	wantEqual(t, "the error", err, nil)
	value, _ = sk.Execute(t.Context(), fallbackTo("fallback", nil), ok)
	wantEqual(t, "the value of a success", value, "ok")
}

func TestFallbacksErrorUnwrapsToBoth(t *testing.T) {
	second := errors.New("second")
	_, err := sk.Execute(t.Context(), fallbackTo("", second), boom)
	wantError(t, err, second)
	wantError(t, err, errBoom)
	wantEqual(t, "the message", err.Error(), "second")
	_, err = sk.Execute(t.Context(), fallbackTo("", errBoom), boom)
	wantEqual(t, "the first error handed back", err, errBoom)
}

func TestFallbackLeavesWhatItIsNotFor(t *testing.T) {
	fallback := made(sk.NewFallback(sk.FallbackOptions[string]{
		Handler: func(context.Context, error) (string, error) { return "fallback", nil },
		When:    func(err error) bool { return !errors.Is(err, errBoom) },
	}))
	_, err := sk.Execute(t.Context(), fallback, boom)
	wantEqual(t, "the error", err, errBoom)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = sk.Execute(ctx, fallbackTo("fallback", nil), func(ctx context.Context) (string, error) {
		cancel()
		return "", ctx.Err()
	})
	wantError(t, err, context.Canceled)
	_, err = sk.NewFallback(sk.FallbackOptions[string]{})
	wantConfigurationError(t, err, sk.CodeRequired, "fallback.handler")
}

// GN-13: in the order they were added, after the state has changed, and free to call back.
func TestListenersRunInOrderAfterTheChange(t *testing.T) {
	var told []string
	breaker := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{FailureThreshold: sk.Set(1)}))
	note := func(name string) sk.Listener {
		return func(event sk.Event) {
			told = append(told, fmt.Sprintf("%s %s %s", name, event.Type, breaker.State()))
			if event.Type == sk.EventCircuitStateChanged && event.To == string(sk.StateOpen) && name == "second" {
				breaker.Reset()
			}
		}
	}
	breaker.AddListener(note("first"))
	remove := breaker.AddListener(note("second"))
	_, _ = sk.Execute(t.Context(), breaker, boom)
	remove()
	remove()
	_, _ = sk.Execute(t.Context(), breaker, boom)
	want := []string{
		"first call_admitted CLOSED", "second call_admitted CLOSED",
		"first call_failed OPEN", "second call_failed OPEN",
		"first circuit_state_changed OPEN", "second circuit_state_changed OPEN",
		"first circuit_state_changed CLOSED", "second circuit_state_changed CLOSED",
		"first call_admitted CLOSED", "first call_failed OPEN", "first circuit_state_changed OPEN",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// GN-13
func TestPanickingListenerChangesNothing(t *testing.T) {
	var seen recorder
	retry := made(sk.NewRetry(sk.RetryOptions{
		MaxRetries: sk.Set(0), Listeners: []sk.Listener{func(sk.Event) { panic("a listener's") }, seen.listen},
	}))
	wantLogged(t, "a listener panicked", func() {
		_, err := sk.Execute(t.Context(), retry, boom)
		wantEqual(t, "the error", err, errBoom)
	})
	wantTypes(t, &seen, sk.EventRetryExhausted)
}
