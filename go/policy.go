package skidbladnir

import (
	"context"
	"fmt"
)

// Operation is the work that policies protect: a call to a dependency. It is expected to end soon after its context is
// done.
type Operation[T any] = func(ctx context.Context) (T, error)

// Policy is one pattern with its options, or several composed: [CircuitBreaker], [Retry], [Bulkhead], [Timeout],
// [Cache], [Fallback], [Composition], [ResilienceFacade]. A Policy may be shared by goroutines (GN-14). No type outside
// this package implements it.
type Policy interface {
	// Name is the name given at construction, or else that of the pattern (GN-11); of a composition, that of its
	// outermost policy.
	Name() string
	// AddListener adds a listener for every event from here on, of every policy inside too (EV-4), and returns what
	// removes it again.
	AddListener(Listener) (remove func())
	// layers are the policies a call passes through, the outermost first.
	layers() []Policy
}

// Execute runs an operation under a policy, in the caller's goroutine (but for a [Timeout] in [ModeAbandon]).
//
// It returns what the operation returns, its error as the same value (GN-7), or one of this package's errors, which all
// are a [PolicyError]. When ctx is done already, the operation does not run and nothing is counted (GN-6). A panic or a
// runtime.Goexit of the operation counts as a failure, gives back what the call held, and goes on (GN-8).
//
// A [Cache] takes its key from ctx; see [WithKey]. A [Cache] or [Fallback] of another type than T is a
// [ConfigurationError].
func Execute[T any](ctx context.Context, p Policy, op Operation[T]) (T, error) {
	if ctx.Err() != nil {
		var zero T
		return zero, newCancelledError(ctx, p.Name())
	}
	return run(ctx, p.layers(), op)
}

// run passes a call through the layers to the operation. It calls itself through each pattern, rather than to wrap op in
// closures, so that a call through breaker, bulkhead and retry allocates nothing.
func run[T any](ctx context.Context, layers []Policy, op Operation[T]) (T, error) {
	if len(layers) == 0 {
		return op(ctx)
	}
	inner := layers[1:]
	switch p := layers[0].(type) {
	case *CircuitBreaker:
		return runCircuitBreaker(ctx, p, inner, op)
	case *Retry:
		return runRetry(ctx, p, inner, op)
	case *Bulkhead:
		return runBulkhead(ctx, p, inner, op)
	case holdingBulkhead:
		return runHoldingBulkhead(ctx, p, inner, op)
	case *Timeout:
		return runTimeout(ctx, p, inner, op)
	case *Cache[T]:
		return runCache(ctx, p, keyOf(ctx), inner, op)
	case *Fallback[T]:
		return runFallback(ctx, p, inner, op)
	default:
		var zero T
		return zero, &ConfigurationError{
			Code:    CodeType,
			Path:    p.Name(),
			Value:   fmt.Sprintf("%T", p),
			Allowed: fmt.Sprintf("a policy for operations that return %T", *new(T)),
		}
	}
}

// policy is what all patterns have in common.
type policy struct {
	name      string
	listeners listeners
	self      [1]Policy
}

// init names the policy, and makes it the one layer of itself.
func (p *policy) init(self Policy, name, pattern string, listeners []Listener) {
	p.name = name
	if name == "" {
		p.name = pattern
	}
	p.self[0] = self
	for _, listener := range listeners {
		p.listeners.add(listener)
	}
}

// Name is the policy's name (GN-11).
func (p *policy) Name() string { return p.name }

// AddListener adds a listener for every event from here on, and returns what removes it again.
func (p *policy) AddListener(listener Listener) (remove func()) { return p.listeners.add(listener) }

func (p *policy) layers() []Policy { return p.self[:] }
