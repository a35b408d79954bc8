package skidbladnir_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

// delaysOf are the delays, in milliseconds, between the attempts of an operation that always fails.
func delaysOf(t *testing.T, options sk.RetryOptions, op sk.Operation[string]) (delays []int64) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		retry := made(sk.NewRetry(options))
		retry.AddListener(func(event sk.Event) {
			if event.Type == sk.EventRetryScheduled {
				delays = append(delays, event.Delay.Milliseconds())
			}
		})
		began := time.Now()
		_, err := sk.Execute(t.Context(), retry, op)
		if err == nil {
			t.Error("the operation succeeded")
		}
		var sum int64
		for _, delay := range delays {
			sum += delay
		}
		wantEqual(t, "the time slept", time.Since(began).Milliseconds(), sum)
	})
	return delays
}

// numbers is a random source that says what it is told to.
func numbers(values ...float64) func() float64 {
	return func() float64 {
		value := values[0]
		values = values[1:]
		return value
	}
}

func TestDelaysGrowAndAreSpread(t *testing.T) {
	initial, most := sk.Set(100*time.Millisecond), sk.Set(350*time.Millisecond)
	for _, test := range []struct {
		name    string
		options sk.RetryOptions
		want    []int64
	}{
		{"the defaults", sk.RetryOptions{}, []int64{1000, 2000, 4000}},
		{"up to the longest", sk.RetryOptions{InitialDelay: initial, MaxDelay: most}, []int64{100, 200, 350}},
		{"a first delay above the longest", sk.RetryOptions{InitialDelay: most, MaxDelay: initial}, []int64{100, 100, 100}},
		{"truncated when used only", sk.RetryOptions{
			InitialDelay: sk.Set(5 * time.Millisecond), BackoffFactor: sk.Set(1.5),
		}, []int64{5, 7, 11}},
		{"without a delay", sk.RetryOptions{InitialDelay: sk.Set(time.Duration(0))}, []int64{0, 0, 0}},
		{"full jitter", sk.RetryOptions{
			InitialDelay: initial, Jitter: sk.JitterFull, Random: numbers(0, 0.5, math.Nextafter(1, 0)),
		}, []int64{0, 100, 399}},
		{"equal jitter", sk.RetryOptions{
			InitialDelay: initial, Jitter: sk.JitterEqual, Random: numbers(0, 0.5, 0.9975),
		}, []int64{50, 150, 399}},
		{"decorrelated jitter", sk.RetryOptions{
			InitialDelay: initial, MaxDelay: most, Jitter: sk.JitterDecorrelated, BackoffFactor: sk.Set(9.0), Random: numbers(0.5, 0, 1),
		}, []int64{200, 100, 300}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := delaysOf(t, test.options, boom); !slices.Equal(got, test.want) {
				t.Errorf("the delays are %v, want %v", got, test.want)
			}
		})
	}
}

// hinting is an error that asks to wait.
type hinting struct{ after time.Duration }

func (hinting) Error() string               { return "come back later" }
func (h hinting) RetryAfter() time.Duration { return h.after }

func TestHintsLengthenDelaysAndEndTheRetrying(t *testing.T) {
	fails := func(after time.Duration) sk.Operation[string] {
		return func(context.Context) (string, error) { return "", fmt.Errorf("wrapped: %w", hinting{after}) }
	}
	if got := delaysOf(t, sk.RetryOptions{}, fails(3*time.Second)); !slices.Equal(got, []int64{3000, 3000, 4000}) {
		t.Errorf("the delays are %v", got)
	}
	if got := delaysOf(t, sk.RetryOptions{}, fails(61*time.Second)); got != nil {
		t.Errorf("the delays are %v", got)
	}
}

func TestPatternsDecideWhatIsRetried(t *testing.T) {
	for _, test := range []struct {
		patterns []string
		retried  bool
	}{
		{nil, true},
		{[]string{}, false},
		{[]string{"oo"}, true},
		{[]string{"Boom"}, false},
		{[]string{"nothing", "/^b.*m$/"}, false}, // the text has more lines than the message
		{[]string{"nothing", "/(?m)^b.*m$/"}, true},
		{[]string{"errorString"}, true},
	} {
		t.Run(fmt.Sprint(test.patterns), func(t *testing.T) {
			got := delaysOf(t, sk.RetryOptions{RetryableErrors: test.patterns, MaxRetries: sk.Set(1)}, boom)
			wantEqual(t, "retried", got != nil, test.retried)
		})
	}
}

func TestRejectionsAreRetriedOnRequestOnly(t *testing.T) {
	for _, asked := range []bool{false, true} {
		breaker := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{}))
		breaker.ForceOpen()
		retry := made(sk.NewRetry(sk.RetryOptions{
			RetryRejections: asked, RetryableErrors: []string{}, InitialDelay: sk.Set(time.Duration(0)),
		}))
		_, err := sk.Execute(t.Context(), made(sk.Compose(retry, breaker)), ok)
		wantError(t, err, sk.ErrRejected)
		wantEqual(t, "attempts", breaker.Stats().Rejected, map[bool]int64{false: 1, true: 4}[asked])
	}
}

func TestOpenCircuitTellsTheRetryWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		breaker := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{
			FailureThreshold: sk.Set(1), ResetTimeout: sk.Set(20 * time.Second), HalfOpenSuccessThreshold: sk.Set(1),
		}))
		retry := made(sk.NewRetry(sk.RetryOptions{RetryRejections: true}))
		attempts := 0
		began := time.Now()
		value, err := sk.Execute(t.Context(), made(sk.Compose(retry, breaker)), func(context.Context) (string, error) {
			if attempts++; attempts == 1 {
				return "", errBoom
			}
			return "ok", nil
		})
		wantEqual(t, "the error", err, nil)
		wantEqual(t, "the value", value, "ok")
		wantEqual(t, "the time taken", time.Since(began), 20*time.Second)
	})
}

func TestMaxElapsedLeavesOutARetryThatWouldEndTooLate(t *testing.T) {
	options := sk.RetryOptions{MaxElapsed: sk.Set(3 * time.Second)}
	if got := delaysOf(t, options, boom); !slices.Equal(got, []int64{1000, 2000}) {
		t.Errorf("the delays are %v", got)
	}
}

func TestCallersCancellationEndsTheWaitAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(500*time.Millisecond, func() { cancel(cause) })
		var seen recorder
		retry := made(sk.NewRetry(sk.RetryOptions{Listeners: []sk.Listener{seen.listen}}))
		began := time.Now()
		_, err := sk.Execute(ctx, retry, boom)
		wantError(t, err, sk.ErrCancelled)
		wantError(t, err, cause)
		wantEqual(t, "the message", err.Error(), "Call cancelled: retry")
		wantEqual(t, "the time taken", time.Since(began), 500*time.Millisecond)
		wantTypes(t, &seen, sk.EventRetryScheduled)
	})
}

func TestFailureAfterTheCallerGaveUpEndsTheCallWithoutAnEvent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var seen recorder
	retry := made(sk.NewRetry(sk.RetryOptions{Listeners: []sk.Listener{seen.listen}}))
	_, err := sk.Execute(ctx, retry, func(context.Context) (string, error) {
		cancel()
		return "", errBoom
	})
	wantEqual(t, "the error", err, errBoom)
	wantTypes(t, &seen)
}

func TestGivingUpIsReportedWithItsReason(t *testing.T) {
	var seen recorder
	retry := made(sk.NewRetry(sk.RetryOptions{MaxRetries: sk.Set(0), Listeners: []sk.Listener{seen.listen}}))
	_, err := sk.Execute(t.Context(), retry, boom)
	wantEqual(t, "the error", err, errBoom)
	events := seen.all()
	wantTypes(t, &seen, sk.EventRetryExhausted)
	wantEqual(t, "the reason", events[0].Reason, "max_retries")
	wantEqual(t, "the attempt", events[0].Attempt, 1)
}

func TestRetryRefusesBadOptions(t *testing.T) {
	for path, options := range map[string]sk.RetryOptions{
		"max_retries":        {MaxRetries: sk.Set(-1)},
		"initial_delay_ms":   {InitialDelay: sk.Set(-time.Millisecond)},
		"max_delay_ms":       {MaxDelay: sk.Set(-time.Millisecond)},
		"backoff_factor":     {BackoffFactor: sk.Set(math.NaN())},
		"max_retry_after_ms": {MaxRetryAfter: sk.Set(-time.Millisecond)},
		"max_elapsed_ms":     {MaxElapsed: sk.Set(-time.Millisecond)},
	} {
		_, err := sk.NewRetry(options)
		wantConfigurationError(t, err, sk.CodeRange, "retry."+path)
	}
	_, err := sk.NewRetry(sk.RetryOptions{Jitter: "some"})
	wantConfigurationError(t, err, sk.CodeEnum, "retry.jitter")
	_, err = sk.NewRetry(sk.RetryOptions{RetryableErrors: []string{"fine", "/(/"}})
	wantConfigurationError(t, err, sk.CodeRegex, "retry.retryable_errors[1]")
	_, err = sk.NewRetry(sk.RetryOptions{RetryableErrors: []string{}, IsRetryable: func(error) bool { return true }})
	wantConfigurationError(t, err, sk.CodeConflict, "retry.is_retryable")
}
