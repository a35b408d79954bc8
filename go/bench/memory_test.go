package bench

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go"
	failsafebreaker "github.com/failsafe-go/failsafe-go/circuitbreaker"

	sk "skidbladnir.dev/skidbladnir"
)

// heap is what is in use after all garbage has gone; the second collection frees what finalizers kept.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc + stats.StackInuse)
}

// bytesOf measures how much memory each of many takes that make returns; what it returns is kept until then.
func bytesOf(b *testing.B, id, name string, count int, make func(count int) any) {
	b.Run("memory="+id+"/impl="+name, func(b *testing.B) {
		before := heap()
		kept := make(count)
		b.ReportMetric(float64(heap()-before)/float64(count), "bytes/each")
		runtime.KeepAlive(kept)
	})
}

// many makes count of one kind.
func many[T any](one func() T) func(int) any {
	return func(count int) any {
		all := make([]T, count)
		for i := range all {
			all[i] = one()
		}
		return all
	}
}

func BenchmarkMemory(b *testing.B) {
	ctx := context.Background()
	bytesOf(b, "per-breaker", ours, 1000, many(ourBreaker))
	bytesOf(b, "per-breaker", gobreak, 1000, many(theirBreaker))
	bytesOf(b, "per-breaker", failsafeGo, 1000, many(failsafebreaker.NewWithDefaults[string]))
	bytesOf(b, "per-bulkhead", ours, 1000, many(ourBulkhead))
	bytesOf(b, "per-bulkhead", failsafeGo, 1000, many(theirBulkhead))
	bytesOf(b, "per-retry", ours, 1000, many(ourRetry))
	bytesOf(b, "per-retry", failsafeGo, 1000, many(theirRetry))
	bytesOf(b, "per-timeout", ours, 1000, many(ourTimeout))
	bytesOf(b, "per-timeout", failsafeGo, 1000, many(theirTimeout))
	bytesOf(b, "per-facade", ours, 1000, many(func() *sk.ResilienceFacade[string] { return ourFacade() }))
	bytesOf(b, "per-facade", failsafeGo, 1000, many(func() failsafe.Executor[string] {
		return failsafe.With(failsafebreaker.NewWithDefaults[string](), theirBulkhead(), theirTimeout(), theirRetry())
	}))
	fill := func(kept, keys int) *sk.Cache[string] {
		cache := must(sk.NewCache[string](sk.CacheOptions{MaxEntries: sk.Set(kept)}))
		for i := range keys {
			_, _ = sk.Execute(sk.WithKey(ctx, strconv.Itoa(i)), cache, answer)
		}
		return cache
	}
	bytesOf(b, "per-cached-entry", ours, 100_000, func(count int) any { return fill(count, count) })
	bytesOf(b, "of-a-cache-of-1000-after-a-million-keys", ours, 1, func(int) any { return fill(1000, 1_000_000) })
	bytesOf(b, "of-a-cache-of-1000-after-a-thousand-keys", ours, 1, func(int) any { return fill(1000, 1000) })
	queued(b)
}

// queued measures what a call that waits for a slot takes beyond its goroutine.
func queued(b *testing.B) {
	const count = 10_000
	waiting := func(wait func(calls *sync.WaitGroup), ready func() bool) func(int) any {
		return func(int) any {
			var calls sync.WaitGroup
			wait(&calls)
			for !ready() {
				time.Sleep(time.Millisecond)
			}
			return &calls
		}
	}
	gate := make(chan struct{})
	bytesOf(b, "per-waiting-goroutine", "bare", count, waiting(func(calls *sync.WaitGroup) {
		var started sync.WaitGroup
		for range count {
			started.Add(1)
			calls.Go(func() { started.Done(); <-gate })
		}
		started.Wait()
	}, func() bool { return true }))
	close(gate)

	bulkhead := must(sk.NewBulkhead(sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(1), MaxQueueSize: sk.Set(count)}))
	release := make(chan struct{})
	hold := func(context.Context) (string, error) { <-release; return "", nil }
	bytesOf(b, "per-queued-call", ours, count, waiting(func(calls *sync.WaitGroup) {
		for range count + 1 {
			calls.Go(func() { _, _ = sk.Execute(context.Background(), bulkhead, hold) })
		}
	}, func() bool { return bulkhead.Stats().QueueSize == count }))
	close(release)
	for bulkhead.Stats().ConcurrentExecutions > 0 {
		time.Sleep(time.Millisecond)
	}
}
