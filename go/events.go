package skidbladnir

import (
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// EventType is the kind of an [Event].
type EventType string

// The events (EV-1).
const (
	EventCallAdmitted        EventType = "call_admitted"
	EventCallRejected        EventType = "call_rejected"
	EventCallSucceeded       EventType = "call_succeeded"
	EventCallFailed          EventType = "call_failed"
	EventCallIgnored         EventType = "call_ignored"
	EventCallCancelled       EventType = "call_cancelled"
	EventCircuitStateChanged EventType = "circuit_state_changed"
	EventRetryScheduled      EventType = "retry_scheduled"
	EventRetryExhausted      EventType = "retry_exhausted"
	EventBulkheadQueued      EventType = "bulkhead_queued"
	EventBulkheadRejected    EventType = "bulkhead_rejected"
	EventBulkheadHandedOver  EventType = "bulkhead_handed_over"
	EventTimedOut            EventType = "timed_out"
	EventCallAbandoned       EventType = "call_abandoned"
	EventLateOutcome         EventType = "late_outcome"
	EventCacheHit            EventType = "cache_hit"
	EventCacheStaleHit       EventType = "cache_stale_hit"
	EventCacheMiss           EventType = "cache_miss"
	EventCacheRefreshed      EventType = "cache_refreshed"
	EventCacheRefreshFailed  EventType = "cache_refresh_failed"
	EventCacheEvicted        EventType = "cache_evicted"
	EventCacheInvalidated    EventType = "cache_invalidated"
	EventFallbackUsed        EventType = "fallback_used"
	EventHealthChanged       EventType = "health_changed"
)

// Event is something that a policy did (EV-1). Which fields a type has is said beside them; the others are zero.
type Event struct {
	Type EventType
	// Policy is the policy's name.
	Policy string
	// Err: call_failed (nil where a result was the failure), call_ignored, retry_scheduled, retry_exhausted, late_outcome
	// (nil with the outcome "success"), cache_refresh_failed, fallback_used.
	Err error
	// State: call_admitted, call_rejected.
	State CircuitState
	// Generation: the call_ events of a circuit breaker, where it is the one in which the call was admitted or refused;
	// circuit_state_changed, where it is the new one.
	Generation int64
	// RetryAfter: call_rejected while OPEN, where it is greater than 0.
	RetryAfter time.Duration
	// From and To: circuit_state_changed (each a CircuitState), health_changed (each a HealthStatus).
	From, To string
	// Reason: circuit_state_changed, retry_exhausted, bulkhead_rejected.
	Reason string
	// Attempt: retry_scheduled, retry_exhausted; the attempt that failed, from 1.
	Attempt int
	// Delay: retry_scheduled.
	Delay time.Duration
	// QueueSize: bulkhead_queued (with the call), bulkhead_handed_over (without it).
	QueueSize int
	// Timeout: timed_out.
	Timeout time.Duration
	// Outcome: late_outcome; "success" or "failure".
	Outcome string
	// Key: the cache_ events; [NoKey] where the whole cache was cleared.
	Key string
	// Provider: health_changed.
	Provider string
}

// Listener is told of events, after the state has changed and outside every lock; it may call back into the policy. It
// runs in the goroutine of the call. A panic in it is logged by log/slog and changes nothing (GN-13).
type Listener func(Event)

// listeners is an ordered list of listeners. It is replaced whole, so that to emit needs no lock.
type listeners struct {
	change sync.Mutex
	all    atomic.Pointer[[]*Listener]
}

// any tells whether somebody listens: ask before building an event.
func (l *listeners) any() bool { return l.all.Load() != nil }

func (l *listeners) add(listener Listener) (remove func()) {
	added := &listener
	l.replace(func(all []*Listener) []*Listener { return append(all, added) })
	return func() {
		l.replace(func(all []*Listener) []*Listener {
			return slices.DeleteFunc(all, func(each *Listener) bool { return each == added })
		})
	}
}

func (l *listeners) replace(change func([]*Listener) []*Listener) {
	l.change.Lock()
	defer l.change.Unlock()
	var all []*Listener
	if current := l.all.Load(); current != nil {
		all = slices.Clone(*current)
	}
	if all = change(all); len(all) == 0 {
		l.all.Store(nil)
		return
	}
	l.all.Store(&all)
}

func (l *listeners) emit(event Event) {
	all := l.all.Load()
	if all == nil {
		return
	}
	for _, listener := range *all {
		tell(*listener, event)
	}
}

func tell(listener Listener, event Event) {
	defer func() {
		if value := recover(); value != nil {
			slog.Error("skidbladnir: a listener panicked", "event", event.Type, "policy", event.Policy, "panic", value)
		}
	}()
	listener(event)
}
