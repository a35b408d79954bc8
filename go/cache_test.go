package skidbladnir_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

// counting is an operation that returns how often it has run.
func counting(d time.Duration) sk.Operation[string] {
	runs := 0
	return func(ctx context.Context) (string, error) {
		runs++
		return after(d, strconv.Itoa(runs), nil)(ctx)
	}
}

func read(t *testing.T, cache *sk.Cache[string], key string, op sk.Operation[string], want string) {
	t.Helper()
	value, err := sk.Execute(sk.WithKey(t.Context(), key), cache, op)
	wantEqual(t, "the error", err, nil)
	wantEqual(t, "the value", value, want)
}

func TestFreshValueIsReturnedWithoutAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := made(sk.NewCache[string](sk.CacheOptions{TTL: sk.Set(time.Second), StaleWhileRevalidate: sk.Set(false)}))
		op := counting(0)
		read(t, cache, "key", op, "1")
		time.Sleep(999 * time.Millisecond)
		read(t, cache, "key", op, "1")
		time.Sleep(time.Millisecond)
		read(t, cache, "key", op, "2")
	})
}

func TestCallWithoutAKeyPassesTheCacheBy(t *testing.T) {
	cache := made(sk.NewCache[string](sk.CacheOptions{}))
	for range 2 {
		_, _ = sk.Execute(t.Context(), cache, ok)
		_, _ = sk.Execute(sk.WithKey(t.Context(), sk.NoKey), cache, ok)
	}
	wantEqual(t, "the size", cache.Stats().Size, 0)
	read(t, cache, "", ok, "ok")
	wantEqual(t, "the size after the empty key", cache.Stats().Size, 1)
}

func TestEmptyValueIsAValue(t *testing.T) {
	cache := made(sk.NewCache[*int](sk.CacheOptions{}))
	fetches := 0
	for range 2 {
		_, err := sk.Execute(sk.WithKey(t.Context(), "key"), cache, func(context.Context) (*int, error) {
			fetches++
			return nil, nil
		})
		wantEqual(t, "the error", err, nil)
	}
	wantEqual(t, "fetches", fetches, 1)
}

func TestErrorGoesToAllWhoWaitAndIsNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := made(sk.NewCache[string](sk.CacheOptions{}))
		ctx := sk.WithKey(t.Context(), "key")
		errs := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := sk.Execute(ctx, cache, after(time.Second, "", errBoom))
				errs <- err
			}()
		}
		for range 3 {
			wantEqual(t, "the error", <-errs, errBoom)
		}
		wantEqual(t, "the size", cache.Stats().Size, 0)
	})
}

func TestFirstWhoWaitsTakesACancelledFetchOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := made(sk.NewCache[string](sk.CacheOptions{}))
		keyed := sk.WithKey(t.Context(), "key")
		ctx, cancel := context.WithCancel(keyed)
		var fetches atomic.Int32
		call := func(ctx context.Context, name string) <-chan string {
			answer := make(chan string, 1)
			go func() {
				value, _ := sk.Execute(ctx, cache, func(ctx context.Context) (string, error) {
					fetches.Add(1)
					return after(time.Second, name, nil)(ctx)
				})
				answer <- value
			}()
			synctest.Wait()
			return answer
		}
		first, second, third := call(ctx, "first"), call(keyed, "second"), call(keyed, "third")
		cancel()
		wantEqual(t, "the first's answer", <-first, "")
		wantEqual(t, "the second's answer", <-second, "second")
		wantEqual(t, "the third's answer", <-third, "second")
		wantEqual(t, "fetches", fetches.Load(), 2)
	})
}

func TestStaleValueIsAnswerAndRefreshedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		cache := made(sk.NewCache[string](sk.CacheOptions{TTL: sk.Set(time.Second), Listeners: []sk.Listener{seen.listen}}))
		op := counting(100 * time.Millisecond)
		read(t, cache, "key", op, "1")
		time.Sleep(time.Second)
		read(t, cache, "key", op, "1")
		read(t, cache, "key", op, "1")
		time.Sleep(200 * time.Millisecond)
		read(t, cache, "key", op, "2")
		wantTypes(t, &seen, sk.EventCacheMiss, sk.EventCacheStaleHit, sk.EventCacheStaleHit, sk.EventCacheRefreshed, sk.EventCacheHit)
	})
}

func TestRefreshOutlivesItsCallerAndEndsByClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cache := made(sk.NewCache[string](sk.CacheOptions{TTL: sk.Set(time.Duration(0))}))
		ctx, cancel := context.WithCancel(sk.WithKey(t.Context(), "key"))
		_, _ = sk.Execute(ctx, cache, ok)
		var refreshed error
		op := func(ctx context.Context) (string, error) {
			_, refreshed = after(time.Hour, "new", nil)(ctx)
			return "", refreshed
		}
		_, _ = sk.Execute(ctx, cache, op)
		synctest.Wait()
		cancel()
		synctest.Wait()
		wantEqual(t, "the refresh after its caller gave up", refreshed, nil)
		cache.Close()
		synctest.Wait()
		wantError(t, refreshed, context.Canceled)
		wantEqual(t, "the size", cache.Stats().Size, 1)
	})
}

func TestStaleValueStandsInForAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		cache := made(sk.NewCache[string](sk.CacheOptions{
			TTL: sk.Set(time.Second), StaleWhileRevalidate: sk.Set(false), StaleIfError: true,
			MaxStale: sk.Set(time.Second), Listeners: []sk.Listener{seen.listen},
		}))
		read(t, cache, "key", ok, "ok")
		time.Sleep(1500 * time.Millisecond)
		go read(t, cache, "key", after(100*time.Millisecond, "", errBoom), "ok")
		synctest.Wait()
		read(t, cache, "key", boom, "ok")
		wantTypes(t, &seen, sk.EventCacheMiss, sk.EventCacheMiss, sk.EventCacheMiss,
			sk.EventCacheRefreshFailed, sk.EventCacheStaleHit, sk.EventCacheStaleHit)
		time.Sleep(time.Second)
		_, err := sk.Execute(sk.WithKey(t.Context(), "key"), cache, boom)
		wantEqual(t, "the error when the value is too old", err, errBoom)
	})
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	var seen recorder
	cache := made(sk.NewCache[string](sk.CacheOptions{MaxEntries: sk.Set(2)}))
	for _, key := range []string{"a", "b", "a"} {
		read(t, cache, key, ok, "ok")
	}
	cache.AddListener(seen.listen)
	read(t, cache, "c", ok, "ok")
	wantTypes(t, &seen, sk.EventCacheMiss, sk.EventCacheEvicted)
	wantEqual(t, "the key evicted", seen.all()[1].Key, "b")
}

func TestInvalidationWinsOverAFetchUnderWay(t *testing.T) {
	for _, drop := range []func(*sk.Cache[string]){
		func(c *sk.Cache[string]) { c.Invalidate("key") },
		func(c *sk.Cache[string]) { c.Clear() },
	} {
		synctest.Test(t, func(t *testing.T) {
			cache := made(sk.NewCache[string](sk.CacheOptions{}))
			op := counting(time.Second)
			go read(t, cache, "key", op, "1")
			synctest.Wait()
			drop(cache)
			read(t, cache, "key", op, "2")
			wantEqual(t, "the size", cache.Stats().Size, 1)
			read(t, cache, "key", op, "2")
		})
	}
}

func TestCacheRefusesBadOptions(t *testing.T) {
	for path, options := range map[string]sk.CacheOptions{
		"ttl_ms":       {TTL: sk.Set(-time.Millisecond)},
		"max_stale_ms": {MaxStale: sk.Set(-time.Millisecond)},
		"max_entries":  {MaxEntries: sk.Set(0)},
	} {
		_, err := sk.NewCache[string](options)
		wantConfigurationError(t, err, sk.CodeRange, "cache."+path)
	}
}

// CA-5: the next in line gives up at the moment at which the fetch is handed on to it.
func TestFetchIsHandedPastAJoinerWhoGivesUpJustThen(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			cache := made(sk.NewCache[string](sk.CacheOptions{}))
			ctx := sk.WithKey(t.Context(), "k")
			first, giveUpFirst := context.WithCancel(ctx)
			second, giveUpSecond := context.WithCancel(ctx)
			go func() {
				_, _ = sk.Execute(first, cache, after(time.Second, "first", nil))
				giveUpSecond()
			}()
			synctest.Wait()
			go func() { _, _ = sk.Execute(second, cache, after(time.Second, "second", nil)) }()
			synctest.Wait()
			third := make(chan string)
			go func() {
				value, err := sk.Execute(ctx, cache, after(time.Second, "third", nil))
				wantEqual(t, "the error", err, nil)
				third <- value
			}()
			synctest.Wait()
			giveUpFirst()
			select {
			case value := <-third:
				wantEqual(t, "the value", value, "third")
			case <-time.After(time.Minute):
				t.Error("nobody fetches for who still waits")
			}
		})
	}
}

// CA-4: a fetch that has ended leaves the next one of its key alone, which a listener may begin meanwhile.
func TestFetchThatHasEndedIsNotMistakenForTheNext(t *testing.T) {
	for _, test := range []struct {
		name  string
		event sk.EventType
		err   error
	}{{"with a value", sk.EventCacheEvicted, nil}, {"with an error", sk.EventCacheRefreshFailed, errBoom}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := made(sk.NewCache[string](sk.CacheOptions{
					MaxEntries: sk.Set(1), TTL: sk.Set(time.Second), StaleWhileRevalidate: sk.Set(false), StaleIfError: true,
				}))
				ctx := sk.WithKey(t.Context(), "k")
				var fetches atomic.Int32
				slow := func(ctx context.Context) (string, error) {
					fetches.Add(1)
					return after(time.Second, "slow", nil)(ctx)
				}
				began := make(chan struct{})
				cache.AddListener(func(event sk.Event) {
					if event.Type == test.event {
						cache.Invalidate("k")
						go func() { _, _ = sk.Execute(ctx, cache, slow) }()
						for fetches.Load() == 0 {
							time.Sleep(time.Millisecond)
						}
						close(began)
					}
				})
				kept := ctx
				if test.err == nil {
					kept = sk.WithKey(t.Context(), "other")
				}
				_, err := sk.Execute(kept, cache, ok)
				wantEqual(t, "the error", err, nil)
				time.Sleep(2 * time.Second)
				_, err = sk.Execute(ctx, cache, func(context.Context) (string, error) { return "quick", test.err })
				wantEqual(t, "the error", err, nil)
				<-began
				_, err = sk.Execute(ctx, cache, slow)
				wantEqual(t, "the error", err, nil)
				wantEqual(t, "fetches", fetches.Load(), 1)
			})
		})
	}
}

// What an operation returns beside its error reaches the caller who ran it.
func TestValueBesideAnErrorIsKept(t *testing.T) {
	cache := made(sk.NewCache[string](sk.CacheOptions{}))
	value, err := sk.Execute(sk.WithKey(t.Context(), "k"), cache, func(context.Context) (string, error) { return "half", errBoom })
	wantError(t, err, errBoom)
	wantEqual(t, "the value", value, "half")
}

func TestThousandEntriesAreKept(t *testing.T) {
	cache := made(sk.NewCache[string](sk.CacheOptions{}))
	for i := range 1001 {
		_, err := sk.Execute(sk.WithKey(t.Context(), strconv.Itoa(i)), cache, ok)
		wantEqual(t, "the error", err, nil)
		wantEqual(t, "the size", cache.Stats().Size, min(i+1, 1000))
	}
}
