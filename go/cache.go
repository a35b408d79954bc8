package skidbladnir

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// PatternCache is the name of the pattern, and of a cache without a name.
const PatternCache = "cache"

// NoKey is the key of a call that passes the cache by. It is not UTF-8, so that no text is equal to it; every other
// string, the empty one included, is a key.
const NoKey = "\xffno key"

type keyKey struct{}

// WithKey gives calls with this context the key under which caches keep their result. Without it they pass every cache
// by (CA-3). It reaches nested calls as well.
func WithKey(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, keyKey{}, key)
}

func keyOf(ctx context.Context) string {
	if key, ok := ctx.Value(keyKey{}).(string); ok {
		return key
	}
	return NoKey
}

// CacheOptions are the options of a [Cache]; the zero value has the defaults. See [Set].
type CacheOptions struct {
	// Name of the policy; default "cache".
	Name string
	// TTL is how long a value is fresh, counted from the end of its fetch, at least 0; default 60 s.
	TTL *time.Duration
	// StaleWhileRevalidate answers with a stale value and fetches it anew in the background; default true.
	StaleWhileRevalidate *bool
	// StaleIfError answers with a stale value when its fetch fails.
	StaleIfError bool
	// MaxStale is how long after TTL a stale value may still be used, at least 0; nil: no limit.
	MaxStale *time.Duration
	// MaxEntries is how many values are kept, at least 1; default 1000. The least recently used goes first.
	MaxEntries *int
	// Listeners to begin with.
	Listeners []Listener
}

// CacheStats is what a cache holds at one moment (CA-13).
type CacheStats struct {
	// Size is the number of values kept.
	Size int
}

// Cache answers from memory while a value is fresh, and where asked to while it is stale; it fetches a key once at a time
// (CA). Values are handed out as they are, not copied.
type Cache[T any] struct {
	policy
	built time.Time

	mu        sync.Mutex
	store     store[T]
	refreshes map[*flight[T]]context.CancelFunc
}

// NewCache makes a cache for operations that return T, or returns a [ConfigurationError].
func NewCache[T any](options CacheOptions) (*Cache[T], error) {
	const path = PatternCache
	check := &checker{}
	c := &Cache[T]{built: time.Now(), store: newStore[T](), refreshes: map[*flight[T]]context.CancelFunc{}}
	c.store.ttl = check.duration(path+".ttl_ms", or(options.TTL, time.Minute), 0)
	c.store.staleWhileRevalidate = or(options.StaleWhileRevalidate, true)
	c.store.staleIfError = options.StaleIfError
	c.store.maxEntries = check.integer(path+".max_entries", or(options.MaxEntries, 1000), 1, maximum)
	if options.MaxStale != nil {
		c.store.maxStale = Set(check.duration(path+".max_stale_ms", *options.MaxStale, 0))
	}
	if check.err != nil {
		return nil, check.err
	}
	c.init(c, options.Name, path, options.Listeners)
	return c, nil
}

// Stats tells how many values are kept.
func (c *Cache[T]) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return CacheStats{Size: len(c.store.entries)}
}

// Invalidate forgets a value; a fetch of it that is under way answers its callers, but stores nothing (CA-11).
func (c *Cache[T]) Invalidate(key string) {
	c.mu.Lock()
	c.store.drop(key)
	c.mu.Unlock()
	c.emit(EventCacheInvalidated, key, nil)
}

// Clear forgets all values, as Invalidate.
func (c *Cache[T]) Clear() {
	c.mu.Lock()
	c.store.dropAll()
	c.mu.Unlock()
	c.emit(EventCacheInvalidated, NoKey, nil)
}

// Close cancels the background refreshes under way; their entries stay, and the cache remains usable (CA-12).
func (c *Cache[T]) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, cancel := range c.refreshes {
		cancel()
	}
}

func runCache[T any](ctx context.Context, c *Cache[T], key string, inner []Policy, op Operation[T]) (T, error) {
	if key == NoKey {
		return run(ctx, inner, op)
	}
	var f *flight[T]
	var j *joiner
	c.mu.Lock()
	found, value := c.store.read(key, c.now())
	if found != EventCacheHit {
		f = c.store.depart(key)
	}
	if found == EventCacheMiss && f == nil {
		f, j = c.store.join(key)
	}
	c.mu.Unlock()
	c.emit(found, key, nil)
	switch {
	case found == EventCacheHit:
		return value, nil
	case found == EventCacheStaleHit:
		if f != nil {
			c.startRefresh(ctx, f, inner, op)
		}
		return value, nil
	case j != nil && !c.wait(ctx, f, j):
		var zero T
		return zero, newCancelledError(ctx, c.name)
	case j != nil && !j.leads:
		return c.answer(f)
	default:
		return c.lead(ctx, f, inner, op)
	}
}

// wait waits until the flight has ended or is handed on to this joiner, and tells whether the caller still waits too.
func (c *Cache[T]) wait(ctx context.Context, f *flight[T], j *joiner) bool {
	select {
	case <-j.wake:
	case <-ctx.Done():
	}
	if ctx.Err() == nil {
		return true
	}
	c.mu.Lock()
	c.store.leave(f, j)
	leads := j.leads
	c.mu.Unlock()
	if leads {
		c.handOn(f)
	}
	return false
}

// lead fetches for this caller, and for those who wait (CA-4, CA-5).
func (c *Cache[T]) lead(ctx context.Context, f *flight[T], inner []Policy, op Operation[T]) (T, error) {
	landed := false
	defer func() {
		if !landed { // cancelled, or a panic or a runtime.Goexit that goes on
			c.handOn(f)
		}
	}()
	value, err := run(ctx, inner, op)
	switch {
	case err == nil:
		landed = true
		c.succeed(f, value, "")
		return value, nil
	case isCancellation(ctx, err):
		return value, err
	default:
		landed = true
		c.fail(f, err, false)
		if f.standsIn {
			return c.answer(f)
		}
		return value, err
	}
}

// answer is what a flight that has ended gives each of its callers.
func (c *Cache[T]) answer(f *flight[T]) (T, error) {
	if f.standsIn {
		c.emit(EventCacheStaleHit, f.key, nil)
		return f.value, nil
	}
	return f.value, f.err
}

// startRefresh fetches in the background; neither the caller's cancellation nor its slots belong to that (CA-7).
func (c *Cache[T]) startRefresh(ctx context.Context, f *flight[T], inner []Policy, op Operation[T]) {
	ctx, cancel := context.WithCancel(withoutHold(context.WithoutCancel(ctx)))
	c.mu.Lock()
	c.refreshes[f] = cancel
	c.mu.Unlock()
	go c.refresh(ctx, f, inner, op)
}

func (c *Cache[T]) refresh(ctx context.Context, f *flight[T], inner []Policy, op Operation[T]) {
	returned := false
	defer func() {
		c.mu.Lock()
		c.refreshes[f]()
		delete(c.refreshes, f)
		c.mu.Unlock()
		if !returned {
			value := recover()
			slog.Error("skidbladnir: a background refresh panicked or exited its goroutine",
				"policy", c.name, "key", f.key, "panic", value, "stack", string(debug.Stack()))
			c.fail(f, ErrPanicked, true)
		}
	}()
	value, err := run(ctx, inner, op)
	returned = true
	switch {
	case err == nil:
		c.succeed(f, value, EventCacheRefreshed)
	case isCancellation(ctx, err):
		c.handOn(f)
	default:
		c.fail(f, err, true)
	}
}

// succeed ends a flight with a value, reports it and what it evicted, and wakes who waits.
func (c *Cache[T]) succeed(f *flight[T], value T, report EventType) {
	c.mu.Lock()
	joiners, evicted := c.store.succeed(f, value, c.now())
	stored := f.valid
	c.mu.Unlock()
	defer wake(joiners)
	if stored && report != "" {
		c.emit(report, f.key, nil)
	}
	for _, key := range evicted {
		c.emit(EventCacheEvicted, key, nil)
	}
}

// fail ends a flight with an error, reports it where it does not reach a caller, and wakes who waits.
func (c *Cache[T]) fail(f *flight[T], err error, isRefresh bool) {
	c.mu.Lock()
	joiners := c.store.fail(f, err, c.now())
	valid := f.valid
	c.mu.Unlock()
	defer wake(joiners)
	if f.standsIn || (isRefresh && valid) {
		c.emit(EventCacheRefreshFailed, f.key, err)
	}
}

// handOn gives a flight that ended without an outcome to the first who waits.
func (c *Cache[T]) handOn(f *flight[T]) {
	c.mu.Lock()
	next := c.store.handOn(f)
	c.mu.Unlock()
	if next != nil {
		close(next.wake)
	}
}

func wake(joiners []*joiner) {
	for _, each := range joiners {
		close(each.wake)
	}
}

func (c *Cache[T]) emit(event EventType, key string, err error) {
	if c.listeners.any() {
		c.listeners.emit(Event{Type: event, Policy: c.name, Key: key, Err: err})
	}
}

func (c *Cache[T]) now() time.Duration { return time.Since(c.built) }
