package bench

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"
	resiliencybreaker "github.com/eapache/go-resiliency/breaker"
	resiliencydeadline "github.com/eapache/go-resiliency/deadline"
	resiliencyretrier "github.com/eapache/go-resiliency/retrier"
	resiliencysemaphore "github.com/eapache/go-resiliency/semaphore"
	"github.com/failsafe-go/failsafe-go"
	failsafebulkhead "github.com/failsafe-go/failsafe-go/bulkhead"
	failsafecache "github.com/failsafe-go/failsafe-go/cachepolicy"
	failsafebreaker "github.com/failsafe-go/failsafe-go/circuitbreaker"
	failsaferetry "github.com/failsafe-go/failsafe-go/retrypolicy"
	failsafetimeout "github.com/failsafe-go/failsafe-go/timeout"
	"github.com/sony/gobreaker/v2"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	sk "skidbladnir.dev/skidbladnir"
)

// Names of implementations.
const (
	ours       = "skidbladnir"
	facade     = "skidbladnir_facade"
	gobreak    = "gobreaker"
	failsafeGo = "failsafe-go"
	resiliency = "go-resiliency"
	byHand     = "by_hand"
	bareCall   = "bare"
)

// bare is what ratios to a bare call are ratios to.
func bare() implementation {
	ctx := context.Background()
	op := answer
	return implementation{bareCall, func() { _, _ = op(ctx) }}
}

// under is a call under a policy of this project.
func under(name string, policy sk.Policy, op sk.Operation[string]) implementation {
	ctx := context.Background()
	return implementation{name, func() { _, _ = sk.Execute(ctx, policy, op) }}
}

// failsafeCall is a call by an executor, made once, of failsafe-go, whose operation reads its context as ours does.
func failsafeCall(op sk.Operation[string], policies ...failsafe.Policy[string]) implementation {
	executor := failsafe.With(policies...)
	return implementation{failsafeGo, func() {
		_, _ = executor.GetWithExecution(func(e failsafe.Execution[string]) (string, error) { return op(e.Context()) })
	}}
}

// failsafePlain is a call whose operation takes nothing, where failsafe-go has less to do.
func failsafePlain(policies ...failsafe.Policy[string]) implementation {
	executor := failsafe.With(policies...)
	return implementation{failsafeGo, func() { _, _ = executor.Get(plainAnswer) }}
}

func ourBreaker() *sk.CircuitBreaker { return must(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{})) }

// ourBulkhead has as many slots as the peers' below.
func ourBulkhead() *sk.Bulkhead {
	return must(sk.NewBulkhead(sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(100)}))
}

func ourRetry() *sk.Retry {
	return must(sk.NewRetry(sk.RetryOptions{InitialDelay: sk.Set(time.Duration(0))}))
}

func ourTimeout() *sk.Timeout { return must(sk.NewTimeout(sk.TimeoutOptions{})) }

func ourFacade(off ...string) *sk.ResilienceFacade[string] {
	return must(sk.NewResilienceFacade[string](sk.FacadeOptions{
		Bulkhead: sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(100)}, Off: off,
	}))
}

func theirBreaker() *gobreaker.CircuitBreaker[string] {
	return gobreaker.NewCircuitBreaker[string](gobreaker.Settings{})
}

func theirBulkhead() failsafe.Policy[string] { return failsafebulkhead.New[string](100) }

func theirRetry() failsafe.Policy[string] {
	return failsaferetry.NewBuilder[string]().WithMaxRetries(3).Build()
}

func theirTimeout() failsafe.Policy[string] { return failsafetimeout.New[string](30 * time.Second) }

func breakers() []implementation {
	g := theirBreaker()
	r := resiliencybreaker.New(5, 3, 30*time.Second)
	return []implementation{
		under(ours, ourBreaker(), answer),
		{gobreak, func() { _, _ = g.Execute(plainAnswer) }},
		failsafePlain(failsafebreaker.NewWithDefaults[string]()),
		{resiliency, func() { _ = r.Run(func() error { _, err := plainAnswer(); return err }) }},
	}
}

func bulkheads() []implementation {
	ctx := context.Background()
	weighted := semaphore.NewWeighted(100)
	r := resiliencysemaphore.New(100, time.Second)
	return []implementation{
		under(ours, ourBulkhead(), answer),
		failsafePlain(theirBulkhead()),
		{"semaphore.Weighted", func() {
			if weighted.Acquire(ctx, 1) == nil {
				defer weighted.Release(1)
				_, _ = plainAnswer()
			}
		}},
		{resiliency, func() {
			if r.Acquire() == nil {
				defer r.Release()
				_, _ = plainAnswer()
			}
		}},
	}
}

func stacksOfThree() []implementation {
	return []implementation{
		under(ours, must(sk.Compose(ourBreaker(), ourBulkhead(), ourRetry())), answer),
		failsafePlain(failsafebreaker.NewWithDefaults[string](), theirBulkhead(), theirRetry()),
	}
}

func stacksOfFour() []implementation {
	ctx := context.Background()
	f := ourFacade(sk.PatternCache)
	g := theirBreaker()
	weighted := semaphore.NewWeighted(100)
	return []implementation{
		under(ours, must(sk.Compose(ourBreaker(), ourBulkhead(), ourTimeout(), ourRetry())), answer),
		{facade, func() { _, _ = f.Execute(ctx, sk.NoKey, answer) }},
		failsafeCall(answer, failsafebreaker.NewWithDefaults[string](), theirBulkhead(), theirTimeout(), theirRetry()),
		{byHand, func() { // gobreaker, semaphore.Weighted, context.WithTimeout, cenkalti/backoff
			_, _ = g.Execute(func() (string, error) {
				if err := weighted.Acquire(ctx, 1); err != nil {
					return "", err
				}
				defer weighted.Release(1)
				inner, cancel := context.WithTimeout(ctx, 30*time.Second)
				defer cancel()
				return backoff.Retry(inner, func() (string, error) { return answer(inner) }, backoff.WithMaxTries(4))
			})
		}},
	}
}

func hits() []implementation {
	ctx := context.Background()
	f := ourFacade()
	cache := &mapCache{entries: map[string]mapEntry{}}
	executor := failsafe.With[string](failsafecache.NewBuilder[string](cache).WithKey("key").Build())
	return []implementation{
		{facade, func() { _, _ = f.Execute(ctx, "key", answer) }},
		{failsafeGo, func() { _, _ = executor.Get(plainAnswer) }},
		{byHand, func() { // a map with a lock and a time to live
			if _, found := cache.Get("key"); !found {
				cache.Set("key", "answer")
			}
		}},
	}
}

// mapCache is the cache that failsafe-go asks its users for: a map, with a time to live.
type mapCache struct {
	mu      sync.Mutex
	entries map[string]mapEntry
}

type mapEntry struct {
	value   string
	expires time.Time
}

func (c *mapCache) Get(key string) (string, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	entry, found := c.entries[key]
	return entry.value, found && time.Now().Before(entry.expires)
}

func (c *mapCache) Set(key, value string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries[key] = mapEntry{value, time.Now().Add(time.Minute)}
}

func BenchmarkCalls(b *testing.B) {
	ctx := context.Background()
	run(b, "breaker", append(breakers(), bare())...)
	run(b, "bulkhead", append(bulkheads(), bare())...)
	retrier := resiliencyretrier.New(resiliencyretrier.ConstantBackoff(3, 0), nil)
	run(b, "retry", under(ours, ourRetry(), answer), failsafePlain(theirRetry()),
		implementation{"cenkalti_backoff", func() { _, _ = backoff.Retry(ctx, plainAnswer, backoff.WithMaxTries(4)) }},
		implementation{resiliency, func() { _ = retrier.Run(func() error { _, err := plainAnswer(); return err }) }},
		bare())
	d := resiliencydeadline.New(30 * time.Second)
	run(b, "timeout", under(ours, ourTimeout(), answer), failsafeCall(answer, theirTimeout()),
		implementation{"context.WithTimeout", func() {
			inner, cancel := context.WithTimeout(ctx, 30*time.Second)
			defer cancel()
			_, _ = answer(inner)
		}},
		implementation{resiliency, func() {
			_ = d.Run(func(<-chan struct{}) error { _, err := plainAnswer(); return err })
		}},
		bare())
	run(b, "stack-of-three", append(stacksOfThree(), bare())...)
	run(b, "stack-of-four", append(stacksOfFour(), bare())...)
	run(b, "cache-hit", append(hits(), bare())...)
	run(b, "cache-miss", append(misses(), bare())...)
	staleHits(b)
}

// misses ask for another key each time, in front of the four patterns; as many keys are kept as go in, at most 1000.
func misses() []implementation {
	ctx := context.Background()
	f := ourFacade()
	number := 0
	next := func() string { number++; return strconv.Itoa(number) }
	cache := &mapCache{entries: map[string]mapEntry{}}
	executor := failsafe.With(failsafecache.New[string](cache), failsafebreaker.NewWithDefaults[string](), theirBulkhead(),
		theirTimeout(), theirRetry())
	var group singleflight.Group
	return []implementation{
		{facade, func() { _, _ = f.Execute(ctx, next(), answer) }},
		{failsafeGo, func() {
			_, _ = executor.WithContext(failsafecache.ContextWithCacheKey(ctx, next())).
				GetWithExecution(func(e failsafe.Execution[string]) (string, error) { return answer(e.Context()) })
			cache.bound()
		}},
		{"singleflight", func() { // and a map, without the four patterns
			key := next()
			_, _, _ = group.Do(key, func() (any, error) {
				if value, found := cache.Get(key); found {
					return value, nil
				}
				cache.Set(key, "answer")
				return answer(ctx)
			})
			cache.bound()
		}},
	}
}

// bound keeps the map as small as our cache.
func (c *mapCache) bound() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.entries {
		if len(c.entries) <= 1000 {
			return
		}
		delete(c.entries, key)
	}
}

// staleHits answer with a value that is stale at once: while its refresh is under way, and waiting for its refresh each time.
func staleHits(b *testing.B) {
	ctx := context.Background()
	stale := func() *sk.ResilienceFacade[string] {
		f := must(sk.NewResilienceFacade[string](sk.FacadeOptions{
			Timeout: sk.TimeoutOptions{Timeout: sk.Set(time.Hour)},
			Cache:   sk.CacheOptions{TTL: sk.Set(time.Duration(0))},
		}))
		_, _ = f.Execute(ctx, "key", answer)
		return f
	}
	slow := stale()
	defer slow.Close()
	run(b, "cache-stale-hit", implementation{facade, func() {
		_, _ = slow.Execute(ctx, "key", func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		})
	}}, bare())
	quick, refreshed := stale(), make(chan struct{})
	quick.AddListener(func(event sk.Event) {
		if event.Type == sk.EventCacheRefreshed {
			refreshed <- struct{}{}
		}
	})
	run(b, "cache-stale-hit-and-refresh", implementation{facade, func() {
		_, _ = quick.Execute(ctx, "key", answer)
		<-refreshed
	}}, bare())
}

func BenchmarkRejections(b *testing.B) {
	ctx := context.Background()
	tripped := must(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{FailureThreshold: sk.Set(1), ResetTimeout: sk.Set(time.Hour)}))
	_, _ = sk.Execute(ctx, tripped, failing(1))
	g := gobreaker.NewCircuitBreaker[string](gobreaker.Settings{
		Timeout: time.Hour, ReadyToTrip: func(gobreaker.Counts) bool { return true },
	})
	_, _ = g.Execute(func() (string, error) { return "", errBoom })
	f := failsafebreaker.NewBuilder[string]().WithDelay(time.Hour).Build()
	f.Open()
	r := resiliencybreaker.New(1, 1, time.Hour)
	_ = r.Run(func() error { return errBoom })
	run(b, "breaker-rejection", under(ours, tripped, answer),
		implementation{gobreak, func() { _, _ = g.Execute(plainAnswer) }},
		failsafePlain(f),
		implementation{resiliency, func() { _ = r.Run(func() error { return nil }) }})

	full := must(sk.NewBulkhead(sk.BulkheadOptions{MaxConcurrentCalls: sk.Set(1), MaxQueueSize: sk.Set(0)}))
	fullToo := failsafebulkhead.New[string](1)
	weighted := semaphore.NewWeighted(1)
	occupied, leave := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = sk.Execute(ctx, full, func(context.Context) (string, error) {
			close(occupied)
			<-leave
			return "", nil
		})
	}()
	<-occupied
	defer close(leave)
	if !fullToo.TryAcquirePermit() || !weighted.TryAcquire(1) {
		panic("the first slot is free")
	}
	run(b, "bulkhead-rejection", under(ours, full, answer), failsafePlain(fullToo),
		implementation{"semaphore.Weighted", func() { _ = weighted.TryAcquire(1) }})
}

func BenchmarkThreeFailures(b *testing.B) {
	ctx := context.Background()
	op, theirs, third, fourth := failing(3), failing(3), failing(3), failing(3)
	retrier := resiliencyretrier.New(resiliencyretrier.ConstantBackoff(3, 0), nil)
	executor := failsafe.With(theirRetry())
	run(b, "retry-three-failures", under(ours, ourRetry(), op),
		implementation{failsafeGo, func() { _, _ = executor.Get(func() (string, error) { return theirs(ctx) }) }},
		implementation{"cenkalti_backoff", func() {
			_, _ = backoff.Retry(ctx, func() (string, error) { return third(ctx) },
				backoff.WithMaxTries(4), backoff.WithBackOff(&backoff.ZeroBackOff{}))
		}},
		implementation{resiliency, func() { _ = retrier.Run(func() error { _, err := fourth(ctx); return err }) }})
}

// The cost of a call must not grow with the size of the window. Some calls fail, so that the windows count.
func BenchmarkWindows(b *testing.B) {
	mixed := func() func(context.Context) (string, error) {
		number := 0
		return func(context.Context) (string, error) {
			number++
			if number%10 == 0 {
				return "", errBoom
			}
			return "answer", nil
		}
	}
	ctx := context.Background()
	for _, size := range []int{10, 1000, 100_000} {
		window := sk.Window{Kind: sk.WindowCount, Size: sk.Set(size), FailureRate: sk.Set(0.9)}
		theirs := failsafebreaker.NewBuilder[string]().WithFailureThresholdRatio(uint(size), uint(size)).Build()
		executor, op := failsafe.With[string](theirs), mixed()
		run(b, "window-count-"+strconv.Itoa(size),
			under(ours, must(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{Window: window})), mixed()),
			implementation{failsafeGo, func() { _, _ = executor.Get(func() (string, error) { return op(ctx) }) }})
	}
	for _, buckets := range []int{10, 1000} {
		window := sk.Window{Kind: sk.WindowTime, Buckets: sk.Set(buckets), FailureRate: sk.Set(0.9)}
		g := gobreaker.NewCircuitBreaker[string](gobreaker.Settings{
			Interval: time.Minute, BucketPeriod: time.Minute / time.Duration(buckets),
			ReadyToTrip: func(counts gobreaker.Counts) bool {
				return counts.Requests >= 10 && float64(counts.TotalFailures)/float64(counts.Requests) >= 0.9
			},
		})
		op := mixed()
		all := []implementation{
			under(ours, must(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{Window: window})), mixed()),
			{gobreak, func() { _, _ = g.Execute(func() (string, error) { return op(ctx) }) }},
		}
		if buckets == 10 { // failsafe-go always has ten
			theirs := failsafebreaker.NewBuilder[string]().WithFailureRateThreshold(0.9, 10, time.Minute).Build()
			executor, op := failsafe.With[string](theirs), mixed()
			all = append(all, implementation{failsafeGo, func() { _, _ = executor.Get(func() (string, error) { return op(ctx) }) }})
		}
		run(b, "window-time-"+strconv.Itoa(buckets)+"-buckets", all...)
	}
}

// Many goroutines under one policy: run with -cpu 1,2,8.
func BenchmarkContention(b *testing.B) {
	runParallel(b, "contended-breaker", breakers()...)
	runParallel(b, "contended-bulkhead", bulkheads()...)
	runParallel(b, "contended-stack-of-three", stacksOfThree()...)
	runParallel(b, "contended-stack-of-four", stacksOfFour()...)
	runParallel(b, "contended-cache-hit", hits()...)
}

// A peer that does something else than it should would be measured for nothing.
func TestImplementationsDoWhatTheirCasesSay(t *testing.T) {
	ctx := context.Background()
	tripped := must(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{FailureThreshold: sk.Set(1)}))
	_, _ = sk.Execute(ctx, tripped, failing(1))
	if _, err := sk.Execute(ctx, tripped, answer); !errors.Is(err, sk.ErrCircuitOpen) {
		t.Errorf("our open breaker answers %v", err)
	}
	op := failing(3)
	executor := failsafe.With(theirRetry())
	if value, err := executor.Get(func() (string, error) { return op(ctx) }); value != "answer" || err != nil {
		t.Errorf("failsafe-go, after three failures: %q, %v", value, err)
	}
	if value, err := sk.Execute(ctx, ourRetry(), failing(3)); value != "answer" || err != nil {
		t.Errorf("ours, after three failures: %q, %v", value, err)
	}
	f := ourFacade()
	for range 2 {
		if value, err := f.Execute(ctx, "key", answer); value != "answer" || err != nil || f.Cache().Stats().Size != 1 {
			t.Errorf("our facade: %q, %v", value, err)
		}
	}
}
