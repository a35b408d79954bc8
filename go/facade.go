package skidbladnir

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// PatternFacade is the name of a facade without a name.
const PatternFacade = "facade"

// FacadeOptions are the options of a [ResilienceFacade]. A section left as it is has its pattern's defaults; one that
// is named in Off is off (FA-2). The names of the sections are not used: the policies carry the facade's name (GN-11).
type FacadeOptions struct {
	// Name of the facade; default "facade".
	Name           string
	CircuitBreaker CircuitBreakerOptions
	Retry          RetryOptions
	Bulkhead       BulkheadOptions
	Timeout        TimeoutOptions
	Cache          CacheOptions
	// Off lists the patterns to do without: [PatternCache] and so on.
	Off []string
	// Listeners to begin with, for all policies.
	Listeners []Listener
}

// FacadeStatus is how a facade stands (FA-6).
type FacadeStatus struct {
	// CircuitState is "" when the circuit breaker is off.
	CircuitState CircuitState
	// Bulkhead is nil when the bulkhead is off.
	Bulkhead *BulkheadStats
}

// ResilienceFacade puts all patterns around the operations of one dependency: from outside fallback, cache, circuit
// breaker, bulkhead, timeout, retry (FA-1). It is a [Policy] itself: given to [Execute] or [Compose], it does everything
// but the fallback.
type ResilienceFacade[T any] struct {
	name           string
	circuitBreaker *CircuitBreaker
	retry          *Retry
	bulkhead       *Bulkhead
	timeout        *Timeout
	cache          *Cache[T]
	fallback       policy
	all            Composition // the cache, then inside
	inside         []Policy
}

// NewResilienceFacade makes a facade for operations that return T, or returns a [ConfigurationError].
func NewResilienceFacade[T any](options FacadeOptions) (*ResilienceFacade[T], error) {
	f := &ResilienceFacade[T]{name: options.Name}
	if f.name == "" {
		f.name = PatternFacade
	}
	off, err := sectionsOff(options.Off)
	if err != nil {
		return nil, err
	}
	f.fallback.init(nil, f.name, PatternFallback, nil)
	if !off[PatternCircuitBreaker] {
		options.CircuitBreaker.Name = f.name
		f.circuitBreaker, err = NewCircuitBreaker(options.CircuitBreaker)
		if err != nil {
			return nil, err
		}
		f.inside = append(f.inside, f.circuitBreaker)
	}
	if !off[PatternBulkhead] {
		options.Bulkhead.Name = f.name
		f.bulkhead, err = NewBulkhead(options.Bulkhead)
		if err != nil {
			return nil, err
		}
		f.inside = append(f.inside, f.bulkhead)
	}
	if !off[PatternTimeout] {
		options.Timeout.Name = f.name
		f.timeout, err = NewTimeout(options.Timeout)
		if err != nil {
			return nil, err
		}
		f.inside = append(f.inside, f.timeout)
	}
	if !off[PatternRetry] {
		options.Retry.Name = f.name
		f.retry, err = NewRetry(options.Retry)
		if err != nil {
			return nil, err
		}
		f.inside = append(f.inside, f.retry)
	}
	f.inside = holding(f.inside)
	f.all.policies = f.inside
	if !off[PatternCache] {
		options.Cache.Name = f.name
		f.cache, err = NewCache[T](options.Cache)
		if err != nil {
			return nil, err
		}
		f.all.policies = append([]Policy{f.cache}, f.inside...)
	}
	for _, listener := range options.Listeners {
		f.AddListener(listener)
	}
	return f, nil
}

func sectionsOff(patterns []string) (map[string]bool, error) {
	known := []string{PatternCircuitBreaker, PatternRetry, PatternBulkhead, PatternTimeout, PatternCache}
	off := map[string]bool{}
	for i, pattern := range patterns {
		off[pattern] = true
		if !slices.Contains(known, pattern) {
			return nil, &ConfigurationError{
				Code: CodeEnum, Path: fmt.Sprintf("facade.off[%d]", i), Value: pattern, Allowed: "one of " + strings.Join(known, ", "),
			}
		}
	}
	return off, nil
}

// Execute runs an operation under all patterns. The cache keeps its result under the key; with [NoKey] the call passes
// the cache by (FA-8). For what it returns see the function [Execute].
func (f *ResilienceFacade[T]) Execute(ctx context.Context, key string, op Operation[T]) (T, error) {
	if ctx.Err() != nil {
		var zero T
		return zero, newCancelledError(ctx, f.name)
	}
	if f.cache == nil {
		return run(ctx, f.inside, op)
	}
	return runCache(ctx, f.cache, key, f.inside, op)
}

// ExecuteWithFallback is as Execute; when the call fails or is refused, the fallback answers instead (FA-4).
func (f *ResilienceFacade[T]) ExecuteWithFallback(
	ctx context.Context, key string, op Operation[T], fallback Handler[T],
) (T, error) {
	result, err := f.Execute(ctx, key, op)
	return answer(ctx, &f.fallback, fallback, result, err)
}

// Name is the facade's name, which its policies carry too.
func (f *ResilienceFacade[T]) Name() string { return f.name }

// CircuitBreaker is the facade's circuit breaker, or nil when it is off.
func (f *ResilienceFacade[T]) CircuitBreaker() *CircuitBreaker { return f.circuitBreaker }

// Retry is the facade's retry, or nil when it is off.
func (f *ResilienceFacade[T]) Retry() *Retry { return f.retry }

// Bulkhead is the facade's bulkhead, or nil when it is off.
func (f *ResilienceFacade[T]) Bulkhead() *Bulkhead { return f.bulkhead }

// Timeout is the facade's timeout, or nil when it is off.
func (f *ResilienceFacade[T]) Timeout() *Timeout { return f.timeout }

// Cache is the facade's cache, or nil when it is off.
func (f *ResilienceFacade[T]) Cache() *Cache[T] { return f.cache }

// State is the circuit's state; CLOSED when the circuit breaker is off.
func (f *ResilienceFacade[T]) State() CircuitState {
	if f.circuitBreaker == nil {
		return StateClosed
	}
	return f.circuitBreaker.State()
}

// Status gives the circuit's state and the bulkhead's load (FA-6).
func (f *ResilienceFacade[T]) Status() FacadeStatus {
	var status FacadeStatus
	if f.circuitBreaker != nil {
		status.CircuitState = f.circuitBreaker.State()
	}
	if f.bulkhead != nil {
		status.Bulkhead = Set(f.bulkhead.Stats())
	}
	return status
}

// InvalidateCache forgets the cached value of a key (FA-7).
func (f *ResilienceFacade[T]) InvalidateCache(key string) {
	if f.cache != nil {
		f.cache.Invalidate(key)
	}
}

// Close cancels the cache's background refreshes under way (CA-12). The facade remains usable.
func (f *ResilienceFacade[T]) Close() {
	if f.cache != nil {
		f.cache.Close()
	}
}

// AddListener adds a listener for the events of every pattern (EV-4), and returns what removes it again.
func (f *ResilienceFacade[T]) AddListener(listener Listener) (remove func()) {
	removeFallback, removeOthers := f.fallback.listeners.add(listener), f.all.AddListener(listener)
	return func() {
		removeFallback()
		removeOthers()
	}
}

func (f *ResilienceFacade[T]) layers() []Policy { return f.all.policies }
