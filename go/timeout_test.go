package skidbladnir_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

// inBothModes runs a test with a timeout of one second in each mode.
func inBothModes(t *testing.T, test func(t *testing.T, timeout *sk.Timeout, seen *recorder)) {
	for _, mode := range []sk.TimeoutMode{sk.ModeCancel, sk.ModeAbandon} {
		t.Run(string(mode), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen recorder
				test(t, made(sk.NewTimeout(sk.TimeoutOptions{
					Timeout: sk.Set(time.Second), Mode: mode, Listeners: []sk.Listener{seen.listen},
				})), &seen)
			})
		})
	}
}

func TestOperationInTimePassesThrough(t *testing.T) {
	inBothModes(t, func(t *testing.T, timeout *sk.Timeout, seen *recorder) {
		value, err := sk.Execute(t.Context(), timeout, after(900*time.Millisecond, "ok", errBoom))
		wantEqual(t, "the value", value, "ok")
		wantEqual(t, "the error", err, errBoom)
		wantTypes(t, seen)
	})
}

func TestOperationThatObeysEndsAtTheDeadline(t *testing.T) {
	inBothModes(t, func(t *testing.T, timeout *sk.Timeout, seen *recorder) {
		var cause error
		began := time.Now()
		_, err := sk.Execute(t.Context(), timeout, func(ctx context.Context) (string, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return "", ctx.Err()
		})
		synctest.Wait()
		wantError(t, err, sk.ErrTimeout)
		wantEqual(t, "the message", err.Error(), "Operation timed out: timeout, 1000 ms")
		wantEqual(t, "the time taken", time.Since(began), time.Second)
		wantError(t, cause, sk.ErrTimeout)
		wantEqual(t, "late outcomes", seen.count(sk.EventLateOutcome), 0)
	})
}

func TestLateOperationIsATimeoutWhateverItReturns(t *testing.T) {
	inBothModes(t, func(t *testing.T, timeout *sk.Timeout, seen *recorder) {
		for _, late := range []error{nil, errBoom} {
			before := len(seen.all())
			value, err := sk.Execute(t.Context(), timeout, stubborn(1500*time.Millisecond, "late", late))
			wantError(t, err, sk.ErrTimeout)
			wantEqual(t, "the value", value, "")
			time.Sleep(time.Second)
			events := seen.all()[before:]
			last := events[len(events)-1]
			wantEqual(t, "the last event", last.Type, sk.EventLateOutcome)
			wantEqual(t, "the late error", last.Err, late)
		}
	})
}

func TestModesDifferInWhenTheCallEnds(t *testing.T) {
	inBothModes(t, func(t *testing.T, timeout *sk.Timeout, seen *recorder) {
		began := time.Now()
		_, _ = sk.Execute(t.Context(), timeout, stubborn(3*time.Second, "late", nil))
		if seen.count(sk.EventCallAbandoned) == 1 {
			wantEqual(t, "the time taken", time.Since(began), time.Second)
		} else {
			wantEqual(t, "the time taken", time.Since(began), 3*time.Second)
		}
		time.Sleep(3 * time.Second)
	})
}

func TestCallersCancellationIsNoTimeout(t *testing.T) {
	inBothModes(t, func(t *testing.T, timeout *sk.Timeout, seen *recorder) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		_, err := sk.Execute(ctx, timeout, after(5*time.Second, "", nil))
		wantError(t, err, context.Canceled)
		wantEqual(t, "timeouts", seen.count(sk.EventTimedOut), 0)
	})
}

func TestCallersShorterDeadlineIsNoTimeout(t *testing.T) {
	inBothModes(t, func(t *testing.T, timeout *sk.Timeout, seen *recorder) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := sk.Execute(ctx, timeout, after(5*time.Second, "", nil))
		wantError(t, err, context.DeadlineExceeded)
		if errors.Is(err, sk.ErrTimeout) {
			t.Errorf("the error is %v", err)
		}
		wantEqual(t, "timeouts", seen.count(sk.EventTimedOut), 0)
	})
}

func TestOperationSeesTheDeadlineAndTheCallersValues(t *testing.T) {
	inBothModes(t, func(t *testing.T, timeout *sk.Timeout, _ *recorder) {
		type key struct{}
		began := time.Now()
		_, err := sk.Execute(context.WithValue(t.Context(), key{}, "kept"), timeout,
			func(ctx context.Context) (string, error) {
				deadline, _ := ctx.Deadline()
				wantEqual(t, "the deadline", deadline.Sub(began), time.Second)
				wantEqual(t, "the value", ctx.Value(key{}), any("kept"))
				return "", nil
			})
		wantEqual(t, "the error", err, nil)
	})
}

func TestTimeoutCoversAQueueInside(t *testing.T) {
	inBothModes(t, func(t *testing.T, timeout *sk.Timeout, _ *recorder) {
		b := made(sk.NewBulkhead(sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(1)}))
		occupy(t, b, 1, 5*time.Second)
		_, err := sk.Execute(t.Context(), made(sk.Compose(timeout, b)), ok)
		wantError(t, err, sk.ErrTimeout)
		synctest.Wait()
		wantEqual(t, "the queue", b.Stats().QueueSize, 0)
	})
}

// TO-7: a long-lived context gathers no listeners.
func TestNothingIsLeftOnTheCallersContext(t *testing.T) {
	inBothModes(t, func(t *testing.T, timeout *sk.Timeout, _ *recorder) {
		ctx := &countingContext{Context: t.Context()}
		for range 3 {
			_, _ = sk.Execute(ctx, timeout, ok)
			_, _ = sk.Execute(ctx, timeout, after(2*time.Second, "", nil))
			synctest.Wait()
			wantEqual(t, "listeners", ctx.listeners.Load(), 0)
		}
	})
}

// countingContext counts who listens to it; it is not of a type that the context package knows.
type countingContext struct {
	context.Context
	listeners atomic.Int32
}

func (c *countingContext) Value(any) any { return nil }

func (c *countingContext) AfterFunc(f func()) (stop func() bool) {
	c.listeners.Add(1)
	halt := context.AfterFunc(c.Context, f)
	return func() bool {
		stopped := halt()
		if stopped {
			c.listeners.Add(-1)
		}
		return stopped
	}
}

func TestTimeoutRefusesBadOptions(t *testing.T) {
	_, err := sk.NewTimeout(sk.TimeoutOptions{Timeout: sk.Set(time.Duration(0))})
	wantConfigurationError(t, err, sk.CodeRange, "timeout.timeout_ms")
	_, err = sk.NewTimeout(sk.TimeoutOptions{Mode: "wait"})
	wantConfigurationError(t, err, sk.CodeEnum, "timeout.mode")
}
