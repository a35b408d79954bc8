package skidbladnir

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// PatternTimeout is the name of the pattern, and of a timeout without a name.
const PatternTimeout = "timeout"

// TimeoutMode says when a call that is too late ends.
type TimeoutMode string

// The modes.
const (
	// ModeCancel: when its operation has ended, which its context asks it to do (TO-3). The operation runs in the
	// caller's goroutine. The default.
	ModeCancel TimeoutMode = "cancel"
	// ModeAbandon: at the deadline; the operation ends by itself (TO-4). It runs in a goroutine of its own.
	ModeAbandon TimeoutMode = "abandon"
)

// TimeoutOptions are the options of a [Timeout]; the zero value has the defaults. See [Set].
type TimeoutOptions struct {
	// Name of the policy; default "timeout".
	Name string
	// Timeout is how long an operation may take, at least 1 ms; default 30 s.
	Timeout *time.Duration
	// Mode is ModeCancel or ModeAbandon; default ModeCancel.
	Mode TimeoutMode
	// Listeners to begin with.
	Listeners []Listener
}

// Timeout ends a call that takes too long (TO). The operation's context is done at the deadline in both modes, with the
// [TimeoutError] as its context.Cause, and when the call has ended: what is still to be read from a result, such as the
// body of an HTTP response, is read within the operation.
type Timeout struct {
	policy
	timeout time.Duration
	mode    TimeoutMode
	err     *TimeoutError
}

// NewTimeout makes a timeout, or returns a [ConfigurationError].
func NewTimeout(options TimeoutOptions) (*Timeout, error) {
	const path = PatternTimeout
	c := &checker{}
	t := &Timeout{
		timeout: c.duration(path+".timeout_ms", or(options.Timeout, 30*time.Second), 1),
		mode:    word(c, path+".mode", options.Mode, ModeCancel, ModeAbandon),
	}
	if c.err != nil {
		return nil, c.err
	}
	t.init(t, options.Name, path, options.Listeners)
	t.err = &TimeoutError{policy: t.name, timeout: t.timeout}
	return t, nil
}

func runTimeout[T any](ctx context.Context, t *Timeout, inner []Policy, op Operation[T]) (T, error) {
	d := t.begin(ctx)
	defer d.stop()
	if t.mode == ModeAbandon {
		return runAbandoning(d, inner, op)
	}
	result, err := run(d.ctx, inner, op)
	if !d.passed() {
		return result, err
	}
	if ctx.Err() != nil && isCancellation(d.ctx, err) {
		return result, newCancelledError(ctx, t.name) // the caller gave up after the deadline (TO-6)
	}
	t.emitTimedOut()
	if err == nil || !isCancellation(d.ctx, err) {
		t.emitLate(err)
	}
	var zero T
	return zero, t.err
}

// runAbandoning runs the operation in a goroutine of its own, which is left alone when the call ends first.
func runAbandoning[T any](d deadline, inner []Policy, op Operation[T]) (T, error) {
	t := d.timeout
	ctx, signal := context.WithCancelCause(context.WithoutCancel(d.ctx))
	defer signal(nil)
	w := &work[T]{deadline: d, ctx: signalContext{ctx, d.ctx}, hold: holdOf(d.ctx), ended: make(chan struct{})}
	go w.run(inner, op)
	select {
	case <-w.ended:
	case <-d.ctx.Done():
	}
	if w.hasEnded() {
		return w.outcome()
	}
	// Listeners hear of the operation's end, and of all that the signal causes, after what follows.
	defer signal(context.Cause(d.ctx))
	defer w.abandon()
	var zero T
	if d.passed() {
		t.emitTimedOut()
		t.emitAbandoned()
		return zero, t.err
	}
	t.emitAbandoned()
	return zero, newCancelledError(d.ctx, t.name)
}

// deadline is that of one call.
type deadline struct {
	timeout *Timeout
	ctx     context.Context // the operation's
	stop    context.CancelFunc
	at      time.Time
}

func (t *Timeout) begin(ctx context.Context) deadline {
	d := deadline{timeout: t, at: time.Now().Add(t.timeout)}
	d.ctx, d.stop = context.WithDeadlineCause(ctx, d.at, t.err)
	return d
}

// passed tells whether the deadline came, and nobody outside gave up before it (TO-6).
func (d deadline) passed() bool {
	if at, _ := d.ctx.Deadline(); !at.Equal(d.at) {
		return false // the caller's own deadline is earlier
	}
	if d.ctx.Err() != nil {
		return context.Cause(d.ctx) == error(d.timeout.err)
	}
	// A busy scheduler may not have run the timer yet.
	return time.Until(d.at) <= 0
}

// signalContext is the context of an operation that may be abandoned: it has the deadline of the call, but is done only
// when the call says so.
type signalContext struct {
	context.Context
	call context.Context
}

// Deadline is that of the call.
func (c signalContext) Deadline() (time.Time, bool) { return c.call.Deadline() }

// work is an operation in a goroutine of its own.
type work[T any] struct {
	deadline deadline
	ctx      context.Context // the operation's
	hold     *hold
	ended    chan struct{} // closed at the end of the goroutine

	// Written before ended is closed.
	result   T
	err      error
	returned bool
	panicked any // what it panicked with; nil with returned false is a runtime.Goexit
	stack    []byte
	late     bool // the deadline had passed before it ended

	mu        sync.Mutex
	done      bool
	abandoned bool
}

func (w *work[T]) run(inner []Policy, op Operation[T]) {
	defer w.end()
	w.result, w.err = run(w.ctx, inner, op)
	w.returned = true
}

// end is deferred by run, so that it sees a panic or a runtime.Goexit too.
func (w *work[T]) end() {
	if !w.returned {
		w.panicked, w.stack, w.err = recover(), debug.Stack(), ErrPanicked
	}
	w.late = w.deadline.passed()
	w.mu.Lock()
	w.done = true
	abandoned := w.abandoned
	w.mu.Unlock()
	close(w.ended)
	if abandoned {
		w.endAbandoned()
	}
}

// hasEnded tells whether the operation has ended, before it was told to.
func (w *work[T]) hasEnded() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.done
}

// abandon leaves the operation alone. Until it has ended it keeps the slots of the bulkheads around (BH-7).
func (w *work[T]) abandon() {
	w.hold.add()
	w.mu.Lock()
	w.abandoned = true
	done := w.done
	w.mu.Unlock()
	if done {
		w.endAbandoned()
	}
}

// endAbandoned reports how an abandoned operation ended, and gives back what it held.
func (w *work[T]) endAbandoned() {
	defer w.hold.end()
	if !w.returned {
		slog.Error("skidbladnir: an abandoned operation panicked or exited its goroutine",
			"policy", w.deadline.timeout.name, "panic", w.panicked, "stack", string(w.stack))
	}
	if w.err == nil || !isCancellation(w.ctx, w.err) {
		w.deadline.timeout.emitLate(w.err)
	}
}

// outcome is that of an operation that was not abandoned. A panic or a runtime.Goexit goes on in the caller's goroutine.
func (w *work[T]) outcome() (T, error) {
	t := w.deadline.timeout
	switch {
	case w.panicked != nil:
		panic(w.panicked)
	case !w.returned:
		runtime.Goexit()
	case w.late:
		t.emitTimedOut()
		t.emitLate(w.err)
		var zero T
		return zero, t.err
	}
	return w.result, w.err
}

func (t *Timeout) emitTimedOut() {
	if t.listeners.any() {
		t.listeners.emit(Event{Type: EventTimedOut, Policy: t.name, Timeout: t.timeout})
	}
}

func (t *Timeout) emitAbandoned() {
	if t.listeners.any() {
		t.listeners.emit(Event{Type: EventCallAbandoned, Policy: t.name})
	}
}

func (t *Timeout) emitLate(err error) {
	if t.listeners.any() {
		ended := "success"
		if err != nil {
			ended = "failure"
		}
		t.listeners.emit(Event{Type: EventLateOutcome, Policy: t.name, Outcome: ended, Err: err})
	}
}
