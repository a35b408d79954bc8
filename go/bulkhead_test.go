package skidbladnir_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

// occupy starts calls that hold a slot for a while each.
func occupy(t *testing.T, b sk.Policy, calls int, d time.Duration) {
	t.Helper()
	for range calls {
		go func() { _, _ = sk.Execute(t.Context(), b, after(d, "ok", nil)) }()
		synctest.Wait()
	}
}

func TestBulkheadQueuesAndThenRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := made(sk.NewBulkhead(sk.BulkheadOptions{
			MaxConcurrentCalls: sk.Set(1), MaxQueueSize: sk.Set(1), Listeners: []sk.Listener{seen.listen},
		}))
		occupy(t, b, 2, time.Second)
		wantEqual(t, "the load", b.Stats(), sk.BulkheadStats{ConcurrentExecutions: 1, QueueSize: 1})
		_, err := sk.Execute(t.Context(), b, ok)
		wantError(t, err, sk.ErrBulkheadFull)
		wantEqual(t, "the message", err.Error(), "Bulkhead capacity reached: bulkhead, 1 running, 1 queued")
		time.Sleep(time.Second)
		synctest.Wait()
		wantEqual(t, "the load", b.Stats(), sk.BulkheadStats{ConcurrentExecutions: 1})
		wantTypes(t, &seen, sk.EventBulkheadQueued, sk.EventBulkheadRejected, sk.EventBulkheadHandedOver)
	})
}

func TestNewcomerCannotOvertakeTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := made(sk.NewBulkhead(sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(1)}))
		var order []string
		call := func(name string) {
			_, _ = sk.Execute(t.Context(), b, func(context.Context) (string, error) {
				order = append(order, name)
				return "", nil
			})
		}
		// The newcomer calls when the slot has been handed over, before the head of the queue has noticed.
		var once sync.Once // the newcomer is handed the slot too
		b.AddListener(func(event sk.Event) {
			if event.Type == sk.EventBulkheadHandedOver {
				once.Do(func() { go call("newcomer") })
			}
		})
		occupy(t, b, 1, time.Second)
		go call("head")
		synctest.Wait()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if len(order) != 2 || order[0] != "head" {
			t.Errorf("the order is %v", order)
		}
	})
}

func TestWaitingEndsAtMaxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := made(sk.NewBulkhead(sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(1), MaxWait: sk.Set(300 * time.Millisecond)}))
		occupy(t, b, 1, time.Second)
		began := time.Now()
		_, err := sk.Execute(t.Context(), b, ok)
		wantError(t, err, sk.ErrBulkheadWaitTimeout)
		wantEqual(t, "the message", err.Error(), "Bulkhead capacity reached: bulkhead, no slot within 300 ms")
		wantEqual(t, "the time waited", time.Since(began), 300*time.Millisecond)
		wantEqual(t, "the queue", b.Stats().QueueSize, 0)
	})
}

func TestNoWaitMeansNoQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		b := made(sk.NewBulkhead(sk.BulkheadOptions{
			MaxConcurrentCalls: sk.Set(1), MaxWait: sk.Set(time.Duration(0)), Listeners: []sk.Listener{seen.listen},
		}))
		occupy(t, b, 1, time.Second)
		_, err := sk.Execute(t.Context(), b, ok)
		wantError(t, err, sk.ErrBulkheadWaitTimeout)
		wantTypes(t, &seen, sk.EventBulkheadRejected)
	})
}

func TestWaitingHearsCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := made(sk.NewBulkhead(sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(1)}))
		occupy(t, b, 1, time.Second)
		cause := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(100*time.Millisecond, func() { cancel(cause) })
		_, err := sk.Execute(ctx, b, ok)
		wantError(t, err, sk.ErrCancelled)
		wantError(t, err, cause)
		wantEqual(t, "the load", b.Stats(), sk.BulkheadStats{ConcurrentExecutions: 1})
	})
}

func TestSlotHandedToACancelledCallPassesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := made(sk.NewBulkhead(sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(1)}))
		ctx, cancel := context.WithCancel(t.Context())
		b.AddListener(func(event sk.Event) {
			if event.Type == sk.EventBulkheadHandedOver {
				cancel() // between the hand-over and the call's waking up
			}
		})
		occupy(t, b, 1, time.Second)
		var first error
		go func() { _, first = sk.Execute(ctx, b, ok) }()
		synctest.Wait()
		value, err := sk.Execute(t.Context(), b, ok)
		wantEqual(t, "the error", err, nil)
		wantEqual(t, "the value", value, "ok")
		synctest.Wait()
		wantError(t, first, sk.ErrCancelled)
		wantEqual(t, "the load", b.Stats(), sk.BulkheadStats{})
	})
}

func TestAbandonedOperationKeepsTheSlotsOfEveryBulkheadAround(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outer := made(sk.NewBulkhead(sk.BulkheadOptions{Name: "outer"}))
		inner := made(sk.NewBulkhead(sk.BulkheadOptions{Name: "inner"}))
		retry := made(sk.NewRetry(sk.RetryOptions{MaxRetries: sk.Set(1), InitialDelay: sk.Set(time.Duration(0))}))
		timeout := made(sk.NewTimeout(sk.TimeoutOptions{Timeout: sk.Set(time.Second), Mode: sk.ModeAbandon}))
		policy := made(sk.Compose(outer, retry, inner, timeout))
		_, err := sk.Execute(t.Context(), policy, stubborn(5*time.Second, "late", nil))
		wantError(t, err, sk.ErrTimeout)
		load := func(want int) {
			t.Helper()
			synctest.Wait()
			wantEqual(t, "slots of the inner bulkhead", inner.Stats().ConcurrentExecutions, want)
			wantEqual(t, "slots of the outer bulkhead", outer.Stats().ConcurrentExecutions, min(want, 1))
		}
		load(2) // 2 s: both attempts still run
		time.Sleep(3 * time.Second)
		load(1)
		time.Sleep(time.Second)
		load(0)
	})
}

func TestRefreshDoesNotHoldTheSlotOfTheCallThatBeganIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bulkhead := made(sk.NewBulkhead(sk.BulkheadOptions{}))
		cache := made(sk.NewCache[string](sk.CacheOptions{TTL: sk.Set(time.Duration(0))}))
		timeout := made(sk.NewTimeout(sk.TimeoutOptions{Timeout: sk.Set(time.Second), Mode: sk.ModeAbandon}))
		policy := made(sk.Compose(bulkhead, cache, timeout))
		ctx := sk.WithKey(t.Context(), "key")
		_, _ = sk.Execute(ctx, policy, ok)
		_, _ = sk.Execute(ctx, policy, stubborn(3*time.Second, "late", nil))
		for range 5 {
			wantEqual(t, "slots", bulkhead.Stats().ConcurrentExecutions, 0)
			time.Sleep(time.Second)
		}
	})
}

func TestBulkheadRefusesBadOptions(t *testing.T) {
	for path, options := range map[string]sk.BulkheadOptions{
		"max_concurrent_calls": {MaxConcurrentCalls: sk.Set(0)},
		"max_queue_size":       {MaxQueueSize: sk.Set(-1)},
		"max_wait_ms":          {MaxWait: sk.Set(-time.Millisecond)},
	} {
		_, err := sk.NewBulkhead(options)
		wantConfigurationError(t, err, sk.CodeRange, "bulkhead."+path)
	}
}
