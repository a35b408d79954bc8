package skidbladnir

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// PatternCircuitBreaker is the name of the pattern, and of a circuit breaker without a name.
const PatternCircuitBreaker = "circuit_breaker"

// Outcome is how an operation ended, as predicates see it.
type Outcome struct {
	// Err is the error, or nil.
	Err error
	// Result is what was returned where Err is nil, and nil otherwise.
	Result any
}

// ResetTimeoutBackoff lengthens the reset timeout by each opening in a row (CB-10).
type ResetTimeoutBackoff struct {
	// Max is the longest reset timeout, at least ResetTimeout. Required.
	Max time.Duration
	// Factor of each opening after the first, 1 to 1000; default 2.
	Factor *float64
}

// CircuitBreakerOptions are the options of a [CircuitBreaker]; the zero value has the defaults. See [Set].
type CircuitBreakerOptions struct {
	// Name of the policy; default "circuit_breaker".
	Name string
	// FailureThreshold is the number of failures that opens the circuit, at least 1; default 5. Only with the windows
	// WindowConsecutive and WindowCumulative.
	FailureThreshold *int
	// ResetTimeout is the time from opening to the first probe, at least 0; default 30 s.
	ResetTimeout *time.Duration
	// HalfOpenSuccessThreshold is the number of successful probes that closes the circuit, at least 1; default 3.
	HalfOpenSuccessThreshold *int
	// HalfOpenMaxConcurrent is the number of probes at once, at least 1; default HalfOpenSuccessThreshold.
	HalfOpenMaxConcurrent *int
	// Window is what is counted while CLOSED; default WindowConsecutive.
	Window Window
	// SlowCall opens the circuit for slow calls too; nil: not. Only with the windows WindowCount and WindowTime.
	SlowCall *SlowCall
	// ResetTimeoutBackoff lengthens ResetTimeout; nil: not.
	ResetTimeoutBackoff *ResetTimeoutBackoff
	// IsFailure decides between failure and success; nil: every error is a failure, no result is (CB-7).
	IsFailure func(Outcome) bool
	// Ignore is asked before IsFailure: an outcome for which it is true does not count (CB-7); nil: none.
	Ignore func(Outcome) bool
	// Listeners to begin with.
	Listeners []Listener
}

// CircuitBreakerStats are the counts of a circuit breaker at one moment (CB-22, CB-23).
type CircuitBreakerStats struct {
	State CircuitState
	// FailureCount and SuccessCount: while CLOSED what is in the window (WindowConsecutive and WindowCumulative count no
	// successes), while HALF_OPEN the probes that have succeeded, while OPEN what opened it.
	FailureCount, SuccessCount int64
	// RunningProbes is the number of probe places taken.
	RunningProbes int64
	// Generation grows by one with every transition.
	Generation int64
	// RetryAfter is what is left of OPEN; 0 in other states.
	RetryAfter time.Duration
	// Calls since construction, admitted and rejected; when nothing runs it is the sum of the next five.
	Calls, Successes, Failures, Ignored, Cancelled, Rejected int64
	// Slow calls among the successes and failures.
	Slow int64
}

// CircuitBreaker stops calls to a dependency that fails, and lets a few probes find out when it works again (CB).
type CircuitBreaker struct {
	policy
	isFailure func(Outcome) bool
	ignore    func(Outcome) bool
	built     time.Time

	steady  atomic.Pointer[steady] // replaced under mu; nil: none yet
	mu      sync.Mutex
	circuit circuit // without what steady counts
}

// NewCircuitBreaker makes a circuit breaker, or returns a [ConfigurationError].
func NewCircuitBreaker(options CircuitBreakerOptions) (*CircuitBreaker, error) {
	const path = PatternCircuitBreaker
	c := &checker{}
	resetTimeout := c.duration(path+".reset_timeout_ms", or(options.ResetTimeout, 30*time.Second), 0)
	successes := c.integer(path+".half_open_success_threshold", or(options.HalfOpenSuccessThreshold, 3), 1, maximum)
	probes := c.integer(path+".half_open_max_concurrent", or(options.HalfOpenMaxConcurrent, successes), 1, maximum)
	b := &CircuitBreaker{
		isFailure: options.IsFailure,
		ignore:    options.Ignore,
		built:     time.Now(),
		circuit: circuit{
			state:            StateClosed,
			counter:          newCounter(c, options.Window, options.FailureThreshold, options.SlowCall),
			resetTimeout:     resetTimeout,
			successThreshold: int64(successes),
			maxProbes:        int64(probes),
			nextMS:           milliseconds(resetTimeout),
		},
	}
	if slow := options.SlowCall; slow != nil {
		b.circuit.slowCall = c.duration(path+".slow_call.duration_ms", slow.Duration, 1)
	}
	if backoff := options.ResetTimeoutBackoff; backoff != nil {
		const path = path + ".reset_timeout_backoff"
		b.circuit.backoffFactor = c.number(path+".factor", or(backoff.Factor, 2), 1, 1000)
		b.circuit.backoffMaxMS = milliseconds(c.duration(path+".max_ms", backoff.Max, 0))
		if backoff.Max < resetTimeout {
			c.fail(CodeRange, path+".max_ms", milliseconds(backoff.Max),
				fmt.Sprintf("at least reset_timeout_ms (%v)", milliseconds(resetTimeout)))
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	b.init(b, options.Name, path, options.Listeners)
	b.mu.Lock()
	b.unlock()
	return b, nil
}

// State is the circuit's state. OPEN lasts until a call comes after the reset timeout (CB-9).
func (b *CircuitBreaker) State() CircuitState {
	if s := b.steady.Load(); s != nil && s.isCurrent() {
		return s.state
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.circuit.state
}

// Stats is a consistent picture of the counts.
func (b *CircuitBreaker) Stats() CircuitBreakerStats {
	b.mu.Lock()
	defer b.unlock()
	c, now := &b.circuit, b.now()
	if s := b.steady.Load(); s != nil {
		s.handOver(s.open, c)
	}
	failures, successes := c.counts(now)
	return CircuitBreakerStats{
		State:         c.state,
		FailureCount:  failures,
		SuccessCount:  successes,
		RunningProbes: c.runningProbes(now),
		Generation:    c.generation,
		RetryAfter:    c.retryAfter(now),
		Calls:         c.running + c.successes + c.failures + c.ignored + c.cancelled + c.rejected,
		Successes:     c.successes,
		Failures:      c.failures,
		Ignored:       c.ignored,
		Cancelled:     c.cancelled,
		Rejected:      c.rejected,
		Slow:          c.slow,
	}
}

// ForceOpen rejects every call until Reset or Disable (CB-19).
func (b *CircuitBreaker) ForceOpen() { b.force(StateForcedOpen, reasonForcedOpen) }

// Disable admits every call and counts totals only, until Reset or ForceOpen (CB-20).
func (b *CircuitBreaker) Disable() { b.force(StateDisabled, reasonDisabled) }

// Reset closes the circuit with every count at 0; the totals stay (CB-21).
func (b *CircuitBreaker) Reset() { b.force(StateClosed, reasonReset) }

func (b *CircuitBreaker) force(state CircuitState, reason string) {
	b.mu.Lock()
	change := b.circuit.force(state, b.now(), reason)
	b.unlock()
	b.emitChange(change)
}

// unlock lets calls count without the lock where the circuit, as it is now, allows that.
func (b *CircuitBreaker) unlock() {
	c, s := &b.circuit, b.steady.Load()
	if s != nil {
		s.follow(c)
	}
	if (s == nil || s.generation != c.generation) && c.changesTotalsOnly()&ofCalls != 0 {
		s = c.steady()
		s.follow(c)
		b.steady.Store(s)
	}
	b.mu.Unlock()
}

func runCircuitBreaker[T any](ctx context.Context, b *CircuitBreaker, inner []Policy, op Operation[T]) (result T, err error) {
	call, err := b.admit()
	if err != nil {
		return result, err
	}
	settled := false
	defer func() {
		if !settled {
			b.settle(call, outcomeFailure, ErrPanicked)
		}
	}()
	result, err = run(ctx, inner, op)
	outcome := outcomeSuccess
	switch {
	case err != nil:
		outcome = b.judgeError(ctx, err)
	case b.ignore != nil || b.isFailure != nil:
		outcome = b.judgeResult(result)
	}
	settled = true
	b.settle(call, outcome, err)
	return result, err
}

// admit lets a call in, or returns a CircuitOpenError.
func (b *CircuitBreaker) admit() (permit, error) {
	s := b.steady.Load()
	if s == nil {
		return b.decide()
	}
	var retryAfter time.Duration
	if s.probes {
		if retryAfter = s.probeAt - b.now(); retryAfter <= 0 {
			return b.decide()
		}
	}
	if !s.count(countCalls) {
		return b.decide()
	}
	return b.answer(permit{generation: s.generation}, s.admits, nil, s.state, retryAfter)
}

// decide is admit for a circuit that is not steady, or is just being read or changed.
func (b *CircuitBreaker) decide() (permit, error) {
	b.mu.Lock()
	c := &b.circuit
	var now time.Duration
	if c.timesCalls() {
		now = b.now()
	}
	call, admitted, change := c.admit(now)
	call.generation = c.generation
	state, retryAfter := c.state, c.retryAfter(now)
	b.unlock()
	return b.answer(call, admitted, change, state, retryAfter)
}

// answer reports a decision, and turns it into what the caller gets.
func (b *CircuitBreaker) answer(
	call permit, admitted bool, change *transition, state CircuitState, retryAfter time.Duration,
) (permit, error) {
	if b.listeners.any() {
		b.emitChange(change)
		event := Event{Type: EventCallAdmitted, Policy: b.name, State: state, Generation: call.generation}
		if !admitted {
			event.Type, event.RetryAfter = EventCallRejected, retryAfter
		}
		b.listeners.emit(event)
	}
	if !admitted {
		return permit{}, newCircuitOpenError(b.name, state, retryAfter)
	}
	return call, nil
}

// outcome is how a call ended (GN-3); a rejection never comes so far.
type outcome int

const (
	outcomeSuccess outcome = iota
	outcomeFailure
	outcomeIgnored
	outcomeCancelled
)

// judgeError is CB-7 for errors.
func (b *CircuitBreaker) judgeError(ctx context.Context, err error) outcome {
	switch {
	case isCancellation(ctx, err):
		return outcomeCancelled
	case isRejection(err):
		return outcomeIgnored
	default:
		return b.judge(Outcome{Err: err}, true)
	}
}

// judgeResult is CB-7 for results.
func (b *CircuitBreaker) judgeResult(result any) outcome {
	return b.judge(Outcome{Result: result}, false)
}

func (b *CircuitBreaker) judge(ended Outcome, failed bool) outcome {
	if b.ignore != nil && b.ignore(ended) {
		return outcomeIgnored
	}
	if b.isFailure != nil {
		failed = b.isFailure(ended)
	}
	if failed {
		return outcomeFailure
	}
	return outcomeSuccess
}

// settle counts how an admitted call ended, and gives back what it held.
func (b *CircuitBreaker) settle(call permit, ended outcome, err error) {
	var change *transition
	s := b.steady.Load()
	if ended != outcomeSuccess || s == nil || !s.count(countSuccesses) {
		change = b.record(call, ended)
	}
	if !b.listeners.any() {
		return
	}
	event := Event{Policy: b.name, Generation: call.generation}
	switch ended {
	case outcomeSuccess:
		event.Type = EventCallSucceeded
	case outcomeFailure:
		event.Type, event.Err = EventCallFailed, err
	case outcomeIgnored:
		event.Type, event.Err = EventCallIgnored, err
	case outcomeCancelled:
		event.Type = EventCallCancelled
	}
	b.listeners.emit(event)
	b.emitChange(change)
}

// record is settle for what may change more than totals.
func (b *CircuitBreaker) record(call permit, ended outcome) (change *transition) {
	b.mu.Lock()
	defer b.unlock()
	c := &b.circuit
	var now time.Duration
	if ended == outcomeFailure || c.timesSuccesses() {
		now = b.now()
	}
	switch ended {
	case outcomeSuccess:
		return c.succeed(call, now)
	case outcomeFailure:
		return c.fail(call, now)
	case outcomeIgnored:
		c.ignore(call)
	case outcomeCancelled:
		c.cancel(call)
	}
	return nil
}

func (b *CircuitBreaker) emitChange(change *transition) {
	if change != nil && b.listeners.any() {
		b.listeners.emit(Event{
			Type:       EventCircuitStateChanged,
			Policy:     b.name,
			From:       string(change.from),
			To:         string(change.to),
			Generation: change.generation,
			Reason:     change.reason,
		})
	}
}

// now is the time since construction, from which the buckets of a time window are counted too (CB-4).
func (b *CircuitBreaker) now() time.Duration { return time.Since(b.built) }
