package skidbladnir

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// What errors.Is finds in the errors of this package.
var (
	// ErrRejected: a policy refused the call, and the operation never ran. Any of the next three.
	ErrRejected = errors.New("call rejected")
	// ErrCircuitOpen: see [CircuitOpenError].
	ErrCircuitOpen = errors.New("circuit breaker is open")
	// ErrBulkheadFull: see [BulkheadFullError].
	ErrBulkheadFull = errors.New("bulkhead is full")
	// ErrBulkheadWaitTimeout: see [BulkheadWaitTimeoutError].
	ErrBulkheadWaitTimeout = errors.New("bulkhead wait timed out")
	// ErrTimeout: see [TimeoutError].
	ErrTimeout = errors.New("operation timed out")
	// ErrCancelled: see [CancelledError].
	ErrCancelled = errors.New("call cancelled")
	// ErrPanicked is the error in the events of an operation that panicked or called runtime.Goexit (GN-8).
	ErrPanicked = errors.New("the operation panicked or exited its goroutine")
)

// Codes of errors (GN-9).
const (
	CodeCircuitOpen         = "circuit_open"
	CodeBulkheadFull        = "bulkhead_full"
	CodeBulkheadWaitTimeout = "bulkhead_wait_timeout"
	CodeTimeout             = "timeout"
	CodeCancelled           = "cancelled"
	CodeOperation           = "operation"
)

// PolicyError is the base of the errors by which policies end calls (GN-9).
type PolicyError interface {
	error
	// Code is the error's code, the same in every language.
	Code() string
	// Policy is the name of the policy that ended the call.
	Policy() string
}

// Code is the code of an error: that of a [PolicyError], or else [CodeOperation]. A [FallbackError] has that of its
// handler's error.
func Code(err error) string {
	for ; err != nil; err = unwrap(err) {
		if policyError, ok := err.(PolicyError); ok {
			return policyError.Code()
		}
	}
	return CodeOperation
}

// CircuitOpenError says that a circuit breaker refused the call (CB-8, CB-11, CB-19).
type CircuitOpenError struct {
	policy     string
	retryAfter time.Duration // greater than 0 when it was OPEN: else the call would have been a probe
	forced     bool          // rather than a state, which would make it half as big again
}

func newCircuitOpenError(policy string, state CircuitState, retryAfter time.Duration) *CircuitOpenError {
	return &CircuitOpenError{policy: policy, retryAfter: retryAfter, forced: state == StateForcedOpen}
}

func (e *CircuitOpenError) Error() string {
	const prefix = "Circuit breaker is open: "
	switch e.State() {
	case StateHalfOpen:
		return prefix + e.policy + ", probing"
	case StateForcedOpen:
		return prefix + e.policy + ", forced open"
	default:
		return fmt.Sprintf("%s%s, retry after %d ms", prefix, e.policy, ceilMilliseconds(e.retryAfter))
	}
}

// Code is [CodeCircuitOpen].
func (e *CircuitOpenError) Code() string { return CodeCircuitOpen }

// Policy is the name of the circuit breaker.
func (e *CircuitOpenError) Policy() string { return e.policy }

// State is the circuit's state when it refused: OPEN, HALF_OPEN or FORCED_OPEN.
func (e *CircuitOpenError) State() CircuitState {
	switch {
	case e.forced:
		return StateForcedOpen
	case e.retryAfter > 0:
		return StateOpen
	default:
		return StateHalfOpen
	}
}

// RetryAfter is what is left of OPEN; 0 in the other states, where nobody knows.
func (e *CircuitOpenError) RetryAfter() time.Duration { return e.retryAfter }

// Is matches [ErrCircuitOpen] and [ErrRejected].
func (e *CircuitOpenError) Is(target error) bool {
	return target == ErrCircuitOpen || target == ErrRejected
}

// BulkheadFullError says that all slots of a bulkhead run and its queue is full (BH-2).
type BulkheadFullError struct {
	policy           string
	running, waiting int
}

func (e *BulkheadFullError) Error() string {
	return fmt.Sprintf("Bulkhead capacity reached: %s, %d running, %d queued", e.policy, e.running, e.waiting)
}

// Code is [CodeBulkheadFull].
func (e *BulkheadFullError) Code() string { return CodeBulkheadFull }

// Policy is the name of the bulkhead.
func (e *BulkheadFullError) Policy() string { return e.policy }

// Is matches [ErrBulkheadFull] and [ErrRejected].
func (e *BulkheadFullError) Is(target error) bool {
	return target == ErrBulkheadFull || target == ErrRejected
}

// BulkheadWaitTimeoutError says that no slot of a bulkhead became free within its MaxWait (BH-4).
type BulkheadWaitTimeoutError struct {
	policy  string
	maxWait time.Duration
}

func (e *BulkheadWaitTimeoutError) Error() string {
	return fmt.Sprintf("Bulkhead capacity reached: %s, no slot within %d ms", e.policy, e.maxWait.Milliseconds())
}

// Code is [CodeBulkheadWaitTimeout].
func (e *BulkheadWaitTimeoutError) Code() string { return CodeBulkheadWaitTimeout }

// Policy is the name of the bulkhead.
func (e *BulkheadWaitTimeoutError) Policy() string { return e.policy }

// Is matches [ErrBulkheadWaitTimeout] and [ErrRejected].
func (e *BulkheadWaitTimeoutError) Is(target error) bool {
	return target == ErrBulkheadWaitTimeout || target == ErrRejected
}

// TimeoutError says that an operation did not end before its deadline (TO-3, TO-4). It is also the cause
// (context.Cause) of the context that the operation was given.
type TimeoutError struct {
	policy  string
	timeout time.Duration
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("Operation timed out: %s, %d ms", e.policy, e.timeout.Milliseconds())
}

// Code is [CodeTimeout].
func (e *TimeoutError) Code() string { return CodeTimeout }

// Policy is the name of the timeout.
func (e *TimeoutError) Policy() string { return e.policy }

// Is matches [ErrTimeout].
func (e *TimeoutError) Is(target error) bool { return target == ErrTimeout }

// CancelledError says that the caller gave up before the operation ran, or while a policy waited (GN-6, GN-10). It
// unwraps to the cause of the caller's context.
type CancelledError struct {
	policy string
	cause  error
}

func newCancelledError(ctx context.Context, policy string) *CancelledError {
	return &CancelledError{policy: policy, cause: context.Cause(ctx)}
}

func (e *CancelledError) Error() string { return "Call cancelled: " + e.policy }

// Code is [CodeCancelled].
func (e *CancelledError) Code() string { return CodeCancelled }

// Policy is the name of the policy that waited.
func (e *CancelledError) Policy() string { return e.policy }

// Is matches [ErrCancelled].
func (e *CancelledError) Is(target error) bool { return target == ErrCancelled }

// Unwrap is the cause of the caller's context.
func (e *CancelledError) Unwrap() error { return e.cause }

// FallbackError is the error of a fallback's handler, with the one that it was given (FB-3). Its message is the handler's.
type FallbackError struct {
	handler, first error
}

func (e *FallbackError) Error() string { return e.handler.Error() }

// Unwrap gives the handler's error, then the error that it was given.
func (e *FallbackError) Unwrap() []error { return []error{e.handler, e.first} }

// unwrap is the next error that says how a call ended. Of a FallbackError that is the handler's alone: that the first one
// was a rejection does not make the whole a rejection.
func unwrap(err error) error {
	if fallback, ok := err.(*FallbackError); ok {
		return fallback.handler
	}
	return errors.Unwrap(err)
}

// isRejection tells whether a policy inside refused the call.
func isRejection(err error) bool {
	for ; err != nil; err = unwrap(err) {
		switch err.(type) {
		case *CircuitOpenError, *BulkheadFullError, *BulkheadWaitTimeoutError:
			return true
		}
	}
	return false
}

// callerGaveUp tells whether nobody waits for the call any more, though it may have ended by another error (RT-9, FB-2).
func callerGaveUp(ctx context.Context, err error) bool {
	return ctx.Err() != nil || isCancellation(ctx, err)
}

// isCancellation tells whether a call with this context ended because its caller gave up (GN-5).
func isCancellation(ctx context.Context, err error) bool {
	if errors.Is(err, ErrCancelled) {
		return true
	}
	return ctx.Err() != nil &&
		(errors.Is(err, context.Canceled) || errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}
