package skidbladnir_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

// wayOut is a way in which an operation ends other than by returning.
type wayOut struct {
	name string
	op   sk.Operation[string]
}

var waysOut = []wayOut{
	{"panic", func(context.Context) (string, error) { panic("the operation's own value") }},
	{"Goexit", func(context.Context) (string, error) { runtime.Goexit(); return "", nil }},
}

// run calls f in a goroutine of its own, and tells how that ended.
func (w wayOut) run(f func()) (ended string, value any) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		ended = "Goexit"
		defer func() {
			if value = recover(); value != nil {
				ended = "panic"
			}
		}()
		f()
		ended = "returned"
	}()
	<-done
	return ended, value
}

func (w wayOut) wantGoesOn(t *testing.T, f func()) {
	t.Helper()
	ended, value := w.run(f)
	wantEqual(t, "the way out", ended, w.name)
	if w.name == "panic" && value != "the operation's own value" {
		t.Errorf("the panic's value is %v", value)
	}
}

// GN-8: a panic and a runtime.Goexit count as a failure and go on.
func TestPanicAndGoexitCountAsFailureOfTheCircuit(t *testing.T) {
	for _, way := range waysOut {
		t.Run(way.name, func(t *testing.T) {
			var seen recorder
			b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{
				FailureThreshold: sk.Set(1), Listeners: []sk.Listener{seen.listen},
			}))
			way.wantGoesOn(t, func() { _, _ = sk.Execute(t.Context(), b, way.op) })
			wantEqual(t, "the state", b.State(), sk.StateOpen)
			wantEqual(t, "failures", b.Stats().Failures, 1)
			wantTypes(t, &seen, sk.EventCallAdmitted, sk.EventCallFailed, sk.EventCircuitStateChanged)
			wantError(t, seen.all()[1].Err, sk.ErrPanicked)
		})
	}
}

// GN-8: whatever the way out, a probe gives its place back.
func TestPanicAndGoexitOfAProbeOpenTheCircuitAgain(t *testing.T) {
	for _, way := range waysOut {
		t.Run(way.name, func(t *testing.T) {
			b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{
				FailureThreshold: sk.Set(1), ResetTimeout: sk.Set(time.Duration(0)),
			}))
			_, _ = sk.Execute(t.Context(), b, boom)
			way.wantGoesOn(t, func() { _, _ = sk.Execute(t.Context(), b, way.op) })
			wantEqual(t, "the state", b.State(), sk.StateOpen)
			wantEqual(t, "running probes", b.Stats().RunningProbes, 0)
		})
	}
}

// GN-8: the slot is given back.
func TestPanicAndGoexitGiveTheSlotBack(t *testing.T) {
	for _, way := range waysOut {
		t.Run(way.name, func(t *testing.T) {
			b := made(sk.NewBulkhead(sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(1)}))
			abandoning := made(sk.NewTimeout(sk.TimeoutOptions{Mode: sk.ModeAbandon}))
			for _, policy := range []sk.Policy{b, made(sk.Compose(b, abandoning))} {
				way.wantGoesOn(t, func() { _, _ = sk.Execute(t.Context(), policy, way.op) })
				wantEqual(t, "concurrent executions", b.Stats().ConcurrentExecutions, 0)
			}
		})
	}
}

// GN-8: who waits for a fetch that panics fetches by himself.
func TestPanicAndGoexitOfAFetchHandTheFlightOn(t *testing.T) {
	for _, way := range waysOut {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := made(sk.NewCache[string](sk.CacheOptions{}))
				ctx := sk.WithKey(t.Context(), "key")
				go way.run(func() {
					_, _ = sk.Execute(ctx, cache, func(ctx context.Context) (string, error) {
						time.Sleep(time.Second)
						return way.op(ctx)
					})
				})
				synctest.Wait()
				value, err := sk.Execute(ctx, cache, ok)
				wantEqual(t, "the value", value, "ok")
				wantEqual(t, "the error", err, nil)
			})
		})
	}
}

// GN-8: a background refresh has no caller in whose goroutine a panic could go on: it has failed, and the entry stays.
func TestPanicAndGoexitOfARefreshFailTheRefresh(t *testing.T) {
	for _, way := range waysOut {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen recorder
				cache := made(sk.NewCache[string](sk.CacheOptions{
					TTL: sk.Set(time.Duration(0)), Listeners: []sk.Listener{seen.listen},
				}))
				ctx := sk.WithKey(t.Context(), "key")
				_, _ = sk.Execute(ctx, cache, ok)
				wantLogged(t, "a background refresh panicked or exited", func() {
					value, err := sk.Execute(ctx, cache, way.op)
					wantEqual(t, "the value", value, "ok")
					wantEqual(t, "the error", err, nil)
					synctest.Wait()
				})
				wantTypes(t, &seen, sk.EventCacheMiss, sk.EventCacheStaleHit, sk.EventCacheRefreshFailed)
				wantError(t, seen.all()[2].Err, sk.ErrPanicked)
				wantEqual(t, "the size", cache.Stats().Size, 1)
			})
		})
	}
}

// GN-8: retry, fallback and timeout let it pass.
func TestPanicAndGoexitPassThroughEveryPattern(t *testing.T) {
	for _, way := range waysOut {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, policy := range []sk.Policy{
					made(sk.NewRetry(sk.RetryOptions{})),
					made(sk.NewTimeout(sk.TimeoutOptions{Mode: sk.ModeCancel})),
					made(sk.NewTimeout(sk.TimeoutOptions{Mode: sk.ModeAbandon})),
					made(sk.NewCache[string](sk.CacheOptions{})),
					made(sk.NewFallback(sk.FallbackOptions[string]{
						Handler: func(context.Context, error) (string, error) { return "fallback", nil },
					})),
					made(sk.NewResilienceFacade[string](sk.FacadeOptions{})),
				} {
					way.wantGoesOn(t, func() { _, _ = sk.Execute(sk.WithKey(t.Context(), "key"), policy, way.op) })
				}
			})
		})
	}
}

// GN-8: after the deadline the caller has gone; the late panic is reported.
func TestPanicAndGoexitOfAnAbandonedOperationAreLateFailures(t *testing.T) {
	for _, way := range waysOut {
		t.Run(way.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen recorder
				timeout := made(sk.NewTimeout(sk.TimeoutOptions{
					Timeout: sk.Set(time.Second), Mode: sk.ModeAbandon, Listeners: []sk.Listener{seen.listen},
				}))
				bulkhead := made(sk.NewBulkhead(sk.BulkheadOptions{}))
				policy := made(sk.Compose(bulkhead, timeout))
				_, err := sk.Execute(t.Context(), policy, func(ctx context.Context) (string, error) {
					time.Sleep(2 * time.Second)
					return way.op(ctx)
				})
				wantError(t, err, sk.ErrTimeout)
				wantEqual(t, "slots held by what still runs", bulkhead.Stats().ConcurrentExecutions, 1)
				wantLogged(t, "an abandoned operation panicked or exited", func() {
					time.Sleep(2 * time.Second)
					synctest.Wait()
				})
				wantTypes(t, &seen, sk.EventTimedOut, sk.EventCallAbandoned, sk.EventLateOutcome)
				late := seen.all()[2]
				wantEqual(t, "the late outcome", late.Outcome, "failure")
				wantError(t, late.Err, sk.ErrPanicked)
				wantEqual(t, "slots", bulkhead.Stats().ConcurrentExecutions, 0)
			})
		})
	}
}

// GN-8: a predicate is the user's code too.
func TestPanicOfAPredicateGivesEverythingBack(t *testing.T) {
	b := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{
		Ignore: func(sk.Outcome) bool { panic("the operation's own value") },
	}))
	waysOut[0].wantGoesOn(t, func() { _, _ = sk.Execute(t.Context(), b, ok) })
	stats := b.Stats()
	wantEqual(t, "failures", stats.Failures, 1)
	wantEqual(t, "calls", stats.Calls, 1)
}

// HM-2: a check that panics or exits is not healthy.
func TestPanicAndGoexitOfAHealthCheckAreNotHealthy(t *testing.T) {
	for _, way := range waysOut {
		t.Run(way.name, func(t *testing.T) {
			m := made(sk.NewServiceHealthMonitor(sk.HealthOptions{
				Providers: []string{"zephyr"},
				Checks: map[string]sk.Check{"zephyr": func(ctx context.Context) (bool, error) {
					_, err := way.op(ctx)
					return true, err
				}},
			}))
			check := func() { wantEqual(t, "the round's error", m.CheckAll(t.Context()), nil) }
			if way.name == "panic" {
				wantLogged(t, "a health check panicked", check)
			} else {
				check()
			}
			health, _ := m.Health("zephyr")
			wantEqual(t, "the status", health.Status, sk.HealthDown)
		})
	}
}

// GN-7: the operation's own error is the very same value.
func TestOperationsErrorReachesTheCallerAsItIs(t *testing.T) {
	facade := made(sk.NewResilienceFacade[string](sk.FacadeOptions{
		Retry: sk.RetryOptions{MaxRetries: sk.Set(0)},
	}))
	wrapped := errors.Join(errBoom)
	_, err := facade.Execute(t.Context(), "key", func(context.Context) (string, error) { return "", wrapped })
	if err != wrapped {
		t.Errorf("the error is %#v", err)
	}
}
