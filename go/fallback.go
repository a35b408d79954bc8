package skidbladnir

import (
	"context"
	"errors"
)

// PatternFallback is the name of the pattern, and of a fallback without a name.
const PatternFallback = "fallback"

// Handler answers in place of an operation that failed or was refused with this error.
type Handler[T any] = func(ctx context.Context, err error) (T, error)

// FallbackOptions are the options of a [Fallback]; Handler is required.
type FallbackOptions[T any] struct {
	// Name of the policy; default "fallback".
	Name string
	// Handler gives the answer.
	Handler Handler[T]
	// When limits the fallback: an error for which it is false passes through untouched (FB-4); nil: every error.
	When func(error) bool
	// Listeners to begin with.
	Listeners []Listener
}

// Fallback gives another answer when an operation fails or is refused, but not when its caller gave up (FB).
type Fallback[T any] struct {
	policy
	handler Handler[T]
	when    func(error) bool
}

// NewFallback makes a fallback, or returns a [ConfigurationError].
func NewFallback[T any](options FallbackOptions[T]) (*Fallback[T], error) {
	if options.Handler == nil {
		return nil, &ConfigurationError{
			Code: CodeRequired, Path: PatternFallback + ".handler", Value: nil, Allowed: "a function",
		}
	}
	f := &Fallback[T]{handler: options.Handler, when: options.When}
	f.init(f, options.Name, PatternFallback, options.Listeners)
	return f, nil
}

func runFallback[T any](ctx context.Context, f *Fallback[T], inner []Policy, op Operation[T]) (T, error) {
	result, err := run(ctx, inner, op)
	if err == nil || (f.when != nil && !callerGaveUp(ctx, err) && !f.when(err)) {
		return result, err
	}
	return answer(ctx, &f.policy, f.handler, result, err)
}

// answer lets a handler answer in place of a failure. An error of its own unwraps to both (FB-3), but for one that wraps
// the first already.
func answer[T any](ctx context.Context, p *policy, handler Handler[T], result T, err error) (T, error) {
	if err == nil || callerGaveUp(ctx, err) {
		return result, err
	}
	if p.listeners.any() {
		p.listeners.emit(Event{Type: EventFallbackUsed, Policy: p.name, Err: err})
	}
	result, second := handler(ctx, err)
	if second == nil || errors.Is(second, err) || isCancellation(ctx, second) {
		return result, second
	}
	return result, &FallbackError{handler: second, first: err}
}
