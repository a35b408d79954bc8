package skidbladnir

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// PatternBulkhead is the name of the pattern, and of a bulkhead without a name.
const PatternBulkhead = "bulkhead"

// BulkheadOptions are the options of a [Bulkhead]; the zero value has the defaults. See [Set].
type BulkheadOptions struct {
	// Name of the policy; default "bulkhead".
	Name string
	// MaxConcurrentCalls is how many calls run at once, at least 1; default 10.
	MaxConcurrentCalls *int
	// MaxQueueSize is how many calls may wait, at least 0; default 100.
	MaxQueueSize *int
	// MaxWait is how long a call may wait, at least 0; nil: no limit.
	MaxWait *time.Duration
	// Listeners to begin with.
	Listeners []Listener
}

// BulkheadStats is the load of a bulkhead at one moment (BH-8).
type BulkheadStats struct {
	ConcurrentExecutions, QueueSize int
}

// Bulkhead limits how many calls run at once, and how many may wait, first come, first served (BH).
type Bulkhead struct {
	policy
	maxRunning int
	maxQueue   int
	maxWait    *time.Duration

	// The free slots lie on stripes, where calls take them and put them back without the lock, until one finds none. From
	// then until half of them are free again they are counted under the lock, as they are while somebody looks.
	striped stripes

	mu        sync.Mutex
	isStriped bool
	exhausted bool
	free      int       // slots that are free, and not on stripes
	queue     list.List // of *waiting; only while there is no free slot
}

// slots is the count of the stripes that is used.
const slots = 0

// waiting is a call in the queue. It leaves the queue under the bulkhead's lock: by a slot, or by giving up.
type waiting struct {
	slot    chan struct{} // closed when a slot is handed over
	granted bool
}

// NewBulkhead makes a bulkhead, or returns a [ConfigurationError].
func NewBulkhead(options BulkheadOptions) (*Bulkhead, error) {
	const path = PatternBulkhead
	c := &checker{}
	b := &Bulkhead{
		maxRunning: c.integer(path+".max_concurrent_calls", or(options.MaxConcurrentCalls, 10), 1, maximum),
		maxQueue:   c.integer(path+".max_queue_size", or(options.MaxQueueSize, 100), 0, maximum),
	}
	if options.MaxWait != nil {
		b.maxWait = Set(c.duration(path+".max_wait_ms", *options.MaxWait, 0))
	}
	if c.err != nil {
		return nil, c.err
	}
	b.init(b, options.Name, path, options.Listeners)
	b.striped, b.free = newStripes(), b.maxRunning
	b.mu.Lock()
	b.unlock()
	return b, nil
}

// Stats tells how many calls run and wait.
func (b *Bulkhead) Stats() BulkheadStats {
	b.lock()
	defer b.unlock()
	return BulkheadStats{ConcurrentExecutions: b.maxRunning - b.free, QueueSize: b.queue.Len()}
}

func runBulkhead[T any](ctx context.Context, b *Bulkhead, inner []Policy, op Operation[T]) (T, error) {
	if err := b.acquire(ctx); err != nil {
		var zero T
		return zero, err
	}
	defer b.release()
	return run(ctx, inner, op)
}

// lock locks, and gathers the free slots.
func (b *Bulkhead) lock() {
	b.mu.Lock()
	if b.isStriped {
		b.free = int(b.striped.seal(slots))
		b.isStriped = false
	}
}

// unlock unlocks, and lays the free slots out again unless they are short.
func (b *Bulkhead) unlock() {
	if !b.isStriped {
		switch {
		case b.free == 0:
			b.exhausted = true
		case b.free >= (b.maxRunning+1)/2:
			b.exhausted = false
		}
		if !b.exhausted {
			b.striped.open(slots, int64(b.free))
			b.isStriped, b.free = true, 0
		}
	}
	b.mu.Unlock()
}

// take takes a slot from the stripes, if it finds one: the goroutine's own, to which it gives back, or any.
func (b *Bulkhead) take() bool {
	own := &b.striped.own().counts[slots]
	if own.add(-1) {
		return true
	}
	if !own.isOpen() {
		return false
	}
	for i := range b.striped {
		if b.striped[i].counts[slots].add(-1) {
			return true
		}
	}
	return false
}

// acquire takes a slot, nearly always without the lock, after waiting for one where it must.
func (b *Bulkhead) acquire(ctx context.Context) error {
	if b.take() {
		return nil
	}
	b.lock()
	if b.free > 0 {
		b.free--
		b.unlock()
		return nil
	}
	if b.queue.Len() >= b.maxQueue {
		b.unlock()
		b.emitRejected("full")
		return &BulkheadFullError{policy: b.name, running: b.maxRunning, waiting: b.maxQueue}
	}
	if b.maxWait != nil && *b.maxWait == 0 {
		b.unlock()
		return b.waitTimedOut()
	}
	w := &waiting{slot: make(chan struct{})}
	place := b.queue.PushBack(w)
	size := b.queue.Len()
	b.unlock()
	return b.wait(ctx, w, place, size)
}

// wait waits in the queue for a slot.
func (b *Bulkhead) wait(ctx context.Context, w *waiting, place *list.Element, size int) error {
	if b.listeners.any() {
		b.listeners.emit(Event{Type: EventBulkheadQueued, Policy: b.name, QueueSize: size})
	}
	var expired <-chan time.Time
	if b.maxWait != nil {
		timer := time.NewTimer(*b.maxWait)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-w.slot:
	case <-expired:
	case <-ctx.Done():
	}
	hasSlot := b.leave(w, place)
	switch {
	case ctx.Err() != nil:
		if hasSlot {
			b.release()
		}
		return newCancelledError(ctx, b.name)
	case !hasSlot:
		return b.waitTimedOut()
	default:
		return nil
	}
}

// leave leaves the queue, and tells whether that was by a slot.
func (b *Bulkhead) leave(w *waiting, place *list.Element) (hasSlot bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !w.granted {
		b.queue.Remove(place)
	}
	return w.granted
}

// release gives a slot back, to the head of the queue if there is one (BH-3).
func (b *Bulkhead) release() {
	if b.striped.own().counts[slots].add(1) {
		return
	}
	b.lock()
	head := b.queue.Front()
	if head == nil {
		b.free++
		b.unlock()
		return
	}
	w := b.queue.Remove(head).(*waiting)
	w.granted = true
	size := b.queue.Len()
	b.unlock()
	defer close(w.slot)
	if b.listeners.any() {
		b.listeners.emit(Event{Type: EventBulkheadHandedOver, Policy: b.name, QueueSize: size})
	}
}

func (b *Bulkhead) waitTimedOut() error {
	b.emitRejected("wait_timeout")
	return &BulkheadWaitTimeoutError{policy: b.name, maxWait: *b.maxWait}
}

func (b *Bulkhead) emitRejected(reason string) {
	if b.listeners.any() {
		b.listeners.emit(Event{Type: EventBulkheadRejected, Policy: b.name, Reason: reason})
	}
}

// holdingBulkhead is a bulkhead of a composition with a timeout inside that may abandon operations: each of them keeps
// the slot until it has ended (BH-7).
type holdingBulkhead struct {
	*Bulkhead
}

func runHoldingBulkhead[T any](ctx context.Context, b holdingBulkhead, inner []Policy, op Operation[T]) (T, error) {
	if err := b.acquire(ctx); err != nil {
		var zero T
		return zero, err
	}
	h := &hold{bulkhead: b.Bulkhead, outer: holdOf(ctx), count: 1}
	defer h.leave()
	return run(context.WithValue(ctx, holdKey{}, h), inner, op)
}

// hold keeps a slot until its call has ended and every operation the call abandoned has too.
type hold struct {
	bulkhead *Bulkhead
	outer    *hold // of the next bulkhead outside, or nil

	mu    sync.Mutex
	count int
}

type holdKey struct{}

// holdOf is the hold of the innermost bulkhead around, or nil.
func holdOf(ctx context.Context) *hold {
	h, _ := ctx.Value(holdKey{}).(*hold)
	return h
}

// withoutHold is for what does not run for the call that holds: a background refresh.
func withoutHold(ctx context.Context) context.Context {
	if holdOf(ctx) == nil {
		return ctx
	}
	return context.WithValue(ctx, holdKey{}, (*hold)(nil))
}

// add counts one more operation, for this bulkhead and those outside.
func (h *hold) add() {
	for ; h != nil; h = h.outer {
		h.mu.Lock()
		h.count++
		h.mu.Unlock()
	}
}

// end says that an operation that was added has ended.
func (h *hold) end() {
	for ; h != nil; h = h.outer {
		h.leave()
	}
}

// leave gives the slot back when nobody else holds it.
func (h *hold) leave() {
	h.mu.Lock()
	h.count--
	last := h.count == 0
	h.mu.Unlock()
	if last {
		h.bulkhead.release()
	}
}
