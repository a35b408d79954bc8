package skidbladnir_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

const (
	goroutines        = 32
	callsPerGoroutine = 500
)

// together runs f in many goroutines at once, and waits for all.
func together(f func(call int)) {
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for call := range callsPerGoroutine {
				f(call)
			}
		})
	}
	all.Wait()
}

// GN-14: a breaker may be shared; its totals add up (CB-23), and HALF_OPEN admits no more probes than it may (CB-11).
func TestCircuitBreakerSharedByGoroutinesKeepsItsLimitsAndTotals(t *testing.T) {
	const probes = 2
	b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{
		FailureThreshold:         sk.Set(3),
		ResetTimeout:             sk.Set(time.Millisecond),
		HalfOpenSuccessThreshold: sk.Set(probes),
	}))
	var succeeded, failed, rejected atomic.Int64
	together(func(call int) {
		_, err := sk.Execute(t.Context(), b, func(context.Context) (int, error) {
			if stats := b.Stats(); stats.State == sk.StateHalfOpen && stats.RunningProbes > probes {
				t.Errorf("%d probes run", stats.RunningProbes)
			}
			if call%3 == 0 {
				return 0, errBoom
			}
			return call, nil
		})
		switch {
		case err == nil:
			succeeded.Add(1)
		case errors.Is(err, sk.ErrCircuitOpen):
			rejected.Add(1)
			time.Sleep(10 * time.Microsecond)
		default:
			failed.Add(1)
		}
	})
	stats := b.Stats()
	wantEqual(t, "calls", stats.Calls, goroutines*callsPerGoroutine)
	wantEqual(t, "successes", stats.Successes, succeeded.Load())
	wantEqual(t, "failures", stats.Failures, failed.Load())
	wantEqual(t, "rejected", stats.Rejected, rejected.Load())
	wantEqual(t, "the sum of the outcomes", stats.Successes+stats.Failures+stats.Rejected, stats.Calls)
	wantEqual(t, "probe places taken", stats.RunningProbes, 0)
}

// Stats is a picture of one moment (CB-22, CB-23) while calls count without the lock and the circuit changes under them:
// as many calls run as are between their admission and their outcome, and no total ever falls.
func TestStatsAreAPictureOfOneMoment(t *testing.T) {
	for name, options := range map[string]sk.CircuitBreakerOptions{
		"consecutive": {FailureThreshold: sk.Set(2), ResetTimeout: sk.Set(100 * time.Microsecond)},
		"cumulative":  {FailureThreshold: sk.Set(50), Window: sk.Window{Kind: sk.WindowCumulative}},
		"count":       {Window: sk.Window{Kind: sk.WindowCount, Size: sk.Set(10)}, ResetTimeout: sk.Set(time.Duration(0))},
	} {
		t.Run(name, func(t *testing.T) {
			b := made(sk.NewCircuitBreaker(options))
			var mu sync.Mutex
			var last sk.CircuitBreakerStats
			look := func(least int64) {
				mu.Lock() // so that pictures are compared in the order they were taken
				defer mu.Unlock()
				s := b.Stats()
				running := s.Calls - s.Successes - s.Failures - s.Ignored - s.Cancelled - s.Rejected
				if running < least || running > goroutines {
					t.Errorf("%d calls run, according to %+v", running, s)
				}
				if s.Calls < last.Calls || s.Successes < last.Successes || s.Rejected < last.Rejected || s.Generation < last.Generation {
					t.Errorf("%+v after %+v", s, last)
				}
				last = s
			}
			changes := []func(){b.Reset, b.ForceOpen, b.Disable, b.Reset, func() { look(0) }}
			var ran, failed atomic.Int64
			together(func(call int) {
				switch {
				case call%50 == 0:
					changes[rand.IntN(len(changes))]()
				case call%11 == 0:
					look(0)
				}
				_, _ = sk.Execute(t.Context(), b, func(context.Context) (int, error) {
					ran.Add(1)
					if call%13 == 0 {
						look(1) // at least the one that looks
					}
					if call%17 < 2 {
						failed.Add(1)
						return 0, errBoom
					}
					return call, nil
				})
			})
			s := b.Stats()
			wantEqual(t, "calls", s.Calls, goroutines*callsPerGoroutine)
			wantEqual(t, "calls that ran", s.Successes+s.Failures, ran.Load())
			wantEqual(t, "failures", s.Failures, failed.Load())
			wantEqual(t, "rejected", s.Rejected, s.Calls-ran.Load())
		})
	}
}

// CB-1: a success that ends after a failure ended is never lost to the count, however the calls count.
func TestSuccessAfterAFailureSetsTheCountToZero(t *testing.T) {
	b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{FailureThreshold: sk.Set(1000)}))
	var others sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		others.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = b.Stats()
				}
			}
		})
	}
	for range 2000 {
		_, _ = sk.Execute(t.Context(), b, boom)
		wantEqual(t, "the count after a failure", b.Stats().FailureCount, 1)
		_, _ = sk.Execute(t.Context(), b, ok)
		wantEqual(t, "the count after a success", b.Stats().FailureCount, 0)
	}
	close(stop)
	others.Wait()
}

// GN-14: a bulkhead may be shared; it never lets more run than it may, and loses no slot to callers that give up.
func TestBulkheadSharedByGoroutinesNeverExceedsItsLimits(t *testing.T) {
	const most, queue = 4, 6
	b := made(sk.NewBulkhead(sk.BulkheadOptions{
		MaxConcurrentCalls: sk.Set(most), MaxQueueSize: sk.Set(queue), MaxWait: sk.Set(200 * time.Microsecond),
	}))
	b.AddListener(func(event sk.Event) {
		if event.QueueSize > queue {
			t.Errorf("%d calls wait", event.QueueSize)
		}
	})
	var running, ran, refused atomic.Int64
	together(func(call int) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if call%5 == 0 {
			time.AfterFunc(time.Duration(rand.IntN(200))*time.Microsecond, cancel)
		}
		_, err := sk.Execute(ctx, b, func(context.Context) (int, error) {
			if now := running.Add(1); now > most {
				t.Errorf("%d calls run", now)
			}
			defer running.Add(-1)
			if call%7 == 0 {
				time.Sleep(50 * time.Microsecond)
			}
			ran.Add(1)
			return call, nil
		})
		if err != nil {
			refused.Add(1)
		}
	})
	wantEqual(t, "calls that ended", ran.Load()+refused.Load(), goroutines*callsPerGoroutine)
	if stats := b.Stats(); stats != (sk.BulkheadStats{}) {
		t.Errorf("when nothing runs any more, the load is %+v", stats)
	}
}

// BH-1: a call starts at once while fewer than the limit run, wherever the free slots were left by other goroutines, and
// while somebody looks.
func TestFreeSlotIsFoundWhereverItIs(t *testing.T) {
	b := made(sk.NewBulkhead(sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(goroutines), MaxQueueSize: sk.Set(0)}))
	together(func(call int) {
		if call%10 == 0 {
			if running := b.Stats().ConcurrentExecutions; running < 0 || running > goroutines {
				t.Errorf("%d calls run", running)
			}
		}
		_, err := sk.Execute(t.Context(), b, func(context.Context) (int, error) {
			if call%7 == 0 {
				time.Sleep(10 * time.Microsecond)
			}
			if running := b.Stats().ConcurrentExecutions; call%13 == 0 && running < 1 {
				t.Errorf("%d calls run, and one of them asks", running)
			}
			return call, nil
		})
		if err != nil {
			t.Errorf("refused with a free slot: %v", err)
		}
	})
	wantEqual(t, "the load at the end", b.Stats(), sk.BulkheadStats{})
}

// GN-14: a facade and its cache may be shared; a key is fetched once at a time.
func TestFacadeSharedByGoroutinesFetchesAKeyOnceAtATime(t *testing.T) {
	facade := made(sk.NewResilienceFacade[int](sk.FacadeOptions{
		Bulkhead: sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(goroutines)},
		Cache:    sk.CacheOptions{TTL: sk.Set(time.Duration(0)), StaleWhileRevalidate: sk.Set(false)},
	}))
	var fetching [2]atomic.Int64
	together(func(call int) {
		key := call % 2
		_, err := facade.Execute(t.Context(), []string{"even", "odd"}[key], func(context.Context) (int, error) {
			if fetching[key].Add(1) > 1 {
				t.Error("two fetches of one key")
			}
			defer fetching[key].Add(-1)
			return call, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// GN-14: no lock is held while the user's code runs: it may ask and change the policy that it runs in.
func TestUsersCodeMayCallBackIntoItsPolicy(t *testing.T) {
	var facade *sk.ResilienceFacade[string]
	look := func() {
		facade.Status()
		facade.CircuitBreaker().Stats()
		facade.Cache().Stats()
		facade.InvalidateCache("other")
		facade.CircuitBreaker().Reset()
	}
	var deep atomic.Int32
	listen := func(sk.Event) {
		if deep.Add(1) == 1 {
			look()
		}
		deep.Add(-1)
	}
	facade = made(sk.NewResilienceFacade[string](sk.FacadeOptions{
		CircuitBreaker: sk.CircuitBreakerOptions{
			Ignore:    func(sk.Outcome) bool { look(); return false },
			IsFailure: func(outcome sk.Outcome) bool { look(); return outcome.Err != nil },
		},
		Retry: sk.RetryOptions{
			MaxRetries:   sk.Set(1),
			InitialDelay: sk.Set(time.Duration(0)),
			IsRetryable:  func(error) bool { look(); return true },
		},
		Listeners: []sk.Listener{listen},
	}))
	value, err := facade.ExecuteWithFallback(t.Context(), "key",
		func(context.Context) (string, error) { look(); return "", errBoom },
		func(context.Context, error) (string, error) { look(); return "fallback", nil })
	wantEqual(t, "the value", value, "fallback")
	wantEqual(t, "the error", err, nil)
}

// GN-15: nothing is left running when the calls have ended and what was started is stopped. The bubble itself fails when
// a goroutine of it never ends.
func TestNothingIsLeftRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		facade := made(sk.NewResilienceFacade[string](sk.FacadeOptions{
			CircuitBreaker: sk.CircuitBreakerOptions{FailureThreshold: sk.Set(100)},
			Bulkhead: sk.BulkheadOptions{
				MaxConcurrentCalls: sk.Set(2), MaxQueueSize: sk.Set(3), MaxWait: sk.Set(time.Second),
			},
			Timeout: sk.TimeoutOptions{Timeout: sk.Set(2 * time.Second), Mode: sk.ModeAbandon},
			Cache:   sk.CacheOptions{TTL: sk.Set(100 * time.Millisecond)},
		}))
		monitor := made(sk.NewServiceHealthMonitor(sk.HealthOptions{
			Providers: []string{"zephyr"},
			Checks: map[string]sk.Check{"zephyr": func(ctx context.Context) (bool, error) {
				<-ctx.Done()
				return false, ctx.Err()
			}},
		}))
		monitor.Start()
		var calls sync.WaitGroup
		for i := range 20 {
			calls.Go(func() {
				_, _ = facade.Execute(ctx, []string{"a", "b", "c"}[i%3], after(time.Duration(i)*300*time.Millisecond, "ok", nil))
			})
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Second)
		cancel()
		calls.Wait()
		facade.Close()
		monitor.Stop()
		synctest.Wait()
		wantEqual(t, "slots taken", facade.Bulkhead().Stats().ConcurrentExecutions, 0)
	})
}

// The closed path of breaker, bulkhead, retry and their stack allocates nothing.
func TestClosedPathAllocatesNothing(t *testing.T) {
	breaker := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{}))
	bulkhead := made(sk.NewBulkhead(sk.BulkheadOptions{}))
	retry := made(sk.NewRetry(sk.RetryOptions{}))
	ctx := t.Context()
	for name, policy := range map[string]sk.Policy{
		"breaker": breaker, "bulkhead": bulkhead, "retry": retry, "stack": made(sk.Compose(breaker, bulkhead, retry)),
	} {
		if allocations := testing.AllocsPerRun(100, func() { _, _ = sk.Execute(ctx, policy, ok) }); allocations != 0 {
			t.Errorf("%s: %v allocations", name, allocations)
		}
	}
}
