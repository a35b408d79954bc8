package skidbladnir_test

import (
	"context"
	"sync"
	"testing"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

// The tests in this file use the real clock, with times that a busy machine does not exceed; all others run in virtual time.

func TestFacadeLivesThroughAnOutageInRealTime(t *testing.T) {
	var seen recorder
	facade := made(sk.NewResilienceFacade[string](sk.FacadeOptions{
		CircuitBreaker: sk.CircuitBreakerOptions{
			FailureThreshold:         sk.Set(2),
			HalfOpenSuccessThreshold: sk.Set(1),
			ResetTimeout:             sk.Set(time.Second),
		},
		Retry:     sk.RetryOptions{MaxRetries: sk.Set(1), InitialDelay: sk.Set(time.Millisecond)},
		Timeout:   sk.TimeoutOptions{Timeout: sk.Set(300 * time.Millisecond)},
		Listeners: []sk.Listener{seen.listen},
	}))
	call := func(op sk.Operation[string]) error {
		_, err := facade.Execute(t.Context(), sk.NoKey, op)
		return err
	}
	wantError(t, call(boom), errBoom)
	wantError(t, call(after(time.Hour, "", nil)), sk.ErrTimeout)
	wantError(t, call(ok), sk.ErrCircuitOpen)
	time.Sleep(1010 * time.Millisecond)
	wantEqual(t, "the error after the outage", call(ok), nil)
	wantEqual(t, "the state", facade.State(), sk.StateClosed)
	wantEqual(t, "retries", seen.count(sk.EventRetryScheduled), 1)
}

func TestBulkheadServesItsQueueInRealTime(t *testing.T) {
	b := made(sk.NewBulkhead(sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(2)}))
	began := time.Now()
	var calls sync.WaitGroup
	for range 6 {
		calls.Go(func() {
			_, err := sk.Execute(t.Context(), b, after(10*time.Millisecond, "ok", nil))
			wantEqual(t, "the error", err, nil)
		})
	}
	calls.Wait()
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("six calls of 10 ms, two at once, took %v", took)
	}
}

func TestMonitorChecksInRealTime(t *testing.T) {
	checked := make(chan struct{})
	m := monitorOf(sk.HealthOptions{CheckInterval: sk.Set(5 * time.Millisecond)}, func(context.Context) (bool, error) {
		checked <- struct{}{}
		return true, nil
	})
	m.Start()
	for range 3 {
		<-checked
	}
	m.Stop()
}
