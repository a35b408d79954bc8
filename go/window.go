package skidbladnir

import (
	"fmt"
	"time"
)

// WindowKind says what a closed circuit counts.
type WindowKind string

// The kinds of windows.
const (
	// WindowConsecutive counts failures; a success sets the count to 0 (CB-1). The default.
	WindowConsecutive WindowKind = "consecutive"
	// WindowCumulative counts failures; a success leaves the count as it is (CB-2).
	WindowCumulative WindowKind = "cumulative"
	// WindowCount looks at the rates among the last Size outcomes (CB-3).
	WindowCount WindowKind = "count"
	// WindowTime looks at the rates among the outcomes of the last Duration (CB-4).
	WindowTime WindowKind = "time"
)

// Window says how a closed circuit counts. Its zero value is WindowConsecutive.
type Window struct {
	Kind WindowKind
	// Size is the number of outcomes held, 1 to 1,000,000; default 100. Only WindowCount.
	Size *int
	// Duration is the time looked back, at least 1 ms; default 60 s. Only WindowTime.
	Duration *time.Duration
	// Buckets is the number of parts of Duration, 1 to 1000; default 10. Only WindowTime.
	Buckets *int
	// MinimumCalls is how many outcomes must be in the window before a rate opens the circuit, at least 1; default 10, of
	// WindowCount at most Size. Only WindowCount and WindowTime.
	MinimumCalls *int
	// FailureRate opens the circuit, above 0 and up to 1; default 0.5. Only WindowCount and WindowTime.
	FailureRate *float64
}

// SlowCall opens the circuit for calls that are slow (CB-5).
type SlowCall struct {
	// Duration from which on a call is slow, at least 1 ms. Required.
	Duration time.Duration
	// Rate of slow calls that opens the circuit, above 0 and up to 1; default 1.
	Rate *float64
}

// Reasons to open a closed circuit.
const (
	reasonFailureThreshold = "failure_threshold"
	reasonFailureRate      = "failure_rate"
	reasonSlowCallRate     = "slow_call_rate"
)

// counter counts the outcomes of one generation of a closed circuit. Its time is that since the breaker's construction.
type counter interface {
	// record counts one outcome, and returns the reason to open the circuit, or "".
	record(now time.Duration, failed, slow bool) (reason string)
	// counts are the failures and successes in the window; it changes nothing.
	counts(now time.Duration) (failures, successes int64)
	// clear sets every count to 0.
	clear()
	// timesSuccesses tells whether to record a success needs the time.
	timesSuccesses() bool
	// ignoresSuccess tells whether to record a success would change nothing.
	ignoresSuccess() bool
}

// thresholdCounter is CB-1 and CB-2.
type thresholdCounter struct {
	threshold  int64
	cumulative bool
	failures   int64
}

func (c *thresholdCounter) record(_ time.Duration, failed, _ bool) string {
	switch {
	case failed:
		c.failures++
		if c.failures >= c.threshold {
			return reasonFailureThreshold
		}
	case !c.cumulative:
		c.failures = 0
	}
	return ""
}

func (c *thresholdCounter) counts(time.Duration) (int64, int64) { return c.failures, 0 }
func (c *thresholdCounter) clear()                              { c.failures = 0 }
func (c *thresholdCounter) timesSuccesses() bool                { return false }
func (c *thresholdCounter) ignoresSuccess() bool                { return c.cumulative || c.failures == 0 }

// tally is the number of outcomes, and of some of them.
type tally struct {
	calls, failures, slow int64
}

func (t *tally) add(other tally, sign int64) {
	t.calls += sign * other.calls
	t.failures += sign * other.failures
	t.slow += sign * other.slow
}

func tallyOf(failed, slow bool) tally {
	one := tally{calls: 1}
	if failed {
		one.failures = 1
	}
	if slow {
		one.slow = 1
	}
	return one
}

// limits are the rates that open the circuit; a slowRate of 0 is none.
type limits struct {
	minimumCalls          int64
	failureRate, slowRate float64
}

func (l limits) reason(in tally) string {
	switch {
	case in.calls < l.minimumCalls:
		return ""
	case float64(in.failures)/float64(in.calls) >= l.failureRate:
		return reasonFailureRate
	case l.slowRate > 0 && float64(in.slow)/float64(in.calls) >= l.slowRate:
		return reasonSlowCallRate
	default:
		return ""
	}
}

// countCounter is CB-3: a ring of the last outcomes.
type countCounter struct {
	limits limits
	ring   []outcomeBits
	next   int
	sum    tally
}

// outcomeBits is one outcome in one byte.
type outcomeBits struct {
	failed, slow bool
}

func (c *countCounter) record(_ time.Duration, failed, slow bool) string {
	if c.sum.calls == int64(len(c.ring)) {
		oldest := c.ring[c.next]
		c.sum.add(tallyOf(oldest.failed, oldest.slow), -1)
	}
	c.ring[c.next] = outcomeBits{failed, slow}
	if c.next++; c.next == len(c.ring) {
		c.next = 0
	}
	c.sum.add(tallyOf(failed, slow), 1)
	return c.limits.reason(c.sum)
}

func (c *countCounter) counts(time.Duration) (int64, int64) {
	return c.sum.failures, c.sum.calls - c.sum.failures
}

func (c *countCounter) clear() { c.sum, c.next = tally{}, 0 }

// timesSuccesses: a success may open the circuit too, at its own time, but not for failures where there are none.
func (c *countCounter) timesSuccesses() bool { return c.sum.failures > 0 }

func (c *countCounter) ignoresSuccess() bool { return false }

// timeCounter is CB-4: a ring of buckets, with the sum of those in the window.
type timeCounter struct {
	limits  limits
	width   time.Duration
	ring    []tally
	current int64         // number of the newest bucket, counted from the breaker's construction
	bucket  *tally        // that one in the ring
	ends    time.Duration // when its time is over
	sum     tally
}

func newTimeCounter(limits limits, width time.Duration, buckets int) *timeCounter {
	ring := make([]tally, buckets)
	return &timeCounter{limits: limits, width: width, ring: ring, bucket: &ring[0], ends: width}
}

func (c *timeCounter) record(now time.Duration, failed, slow bool) string {
	if now >= c.ends {
		c.turn(now)
	}
	one := tallyOf(failed, slow)
	c.bucket.add(one, 1)
	c.sum.add(one, 1)
	return c.limits.reason(c.sum)
}

func (c *timeCounter) counts(now time.Duration) (int64, int64) {
	buckets := int64(len(c.ring))
	oldest := max(int64(now/c.width)-buckets+1, 0)
	var sum tally
	for number := c.current; number >= oldest && number > c.current-buckets; number-- {
		sum.add(c.ring[number%buckets], 1)
	}
	return sum.failures, sum.calls - sum.failures
}

func (c *timeCounter) clear() {
	clear(c.ring)
	c.sum = tally{}
}

func (c *timeCounter) timesSuccesses() bool { return true }
func (c *timeCounter) ignoresSuccess() bool { return false }

// turn empties the buckets that came into the window since the last outcome.
func (c *timeCounter) turn(now time.Duration) {
	buckets := int64(len(c.ring))
	number := int64(now / c.width)
	for each := max(c.current, number-buckets) + 1; each <= number; each++ {
		bucket := &c.ring[each%buckets]
		c.sum.add(*bucket, -1)
		*bucket = tally{}
	}
	c.current, c.bucket, c.ends = number, &c.ring[number%buckets], time.Duration(number+1)*c.width
}

// newCounter checks the options of a window (CB-6), and makes its counter.
func newCounter(c *checker, window Window, failureThreshold *int, slowCall *SlowCall) counter {
	const path = PatternCircuitBreaker
	kind := word(c, path+".window.kind", window.Kind, WindowConsecutive, WindowCumulative, WindowCount, WindowTime)
	isRate := kind == WindowCount || kind == WindowTime
	without := fmt.Sprintf("not with the window %s", kind)
	for _, option := range []struct {
		name   string
		given  bool
		belong bool
	}{
		{"size", window.Size != nil, kind == WindowCount},
		{"duration_ms", window.Duration != nil, kind == WindowTime},
		{"buckets", window.Buckets != nil, kind == WindowTime},
		{"minimum_calls", window.MinimumCalls != nil, isRate},
		{"failure_rate", window.FailureRate != nil, isRate},
	} {
		if option.given && !option.belong {
			c.fail(CodeConflict, path+".window."+option.name, "an option", without)
		}
	}
	if failureThreshold != nil && isRate {
		c.fail(CodeConflict, path+".failure_threshold", *failureThreshold, without)
	}
	if slowCall != nil && !isRate {
		c.fail(CodeConflict, path+".slow_call", "an option", "only with the windows count and time")
	}
	if !isRate {
		threshold := c.integer(path+".failure_threshold", or(failureThreshold, 5), 1, maximum)
		return &thresholdCounter{threshold: int64(threshold), cumulative: kind == WindowCumulative}
	}

	size := c.integer(path+".window.size", or(window.Size, 100), 1, 1_000_000)
	duration := c.duration(path+".window.duration_ms", or(window.Duration, time.Minute), 1)
	buckets := c.integer(path+".window.buckets", or(window.Buckets, 10), 1, 1000)
	minimumCalls, most := 10, maximum
	if kind == WindowCount {
		minimumCalls, most = min(minimumCalls, size), size
	}
	limits := limits{
		minimumCalls: int64(c.integer(path+".window.minimum_calls", or(window.MinimumCalls, minimumCalls), 1, most)),
		failureRate:  c.rate(path+".window.failure_rate", or(window.FailureRate, 0.5)),
	}
	if slowCall != nil {
		limits.slowRate = c.rate(path+".slow_call.rate", or(slowCall.Rate, 1))
	}
	if c.err != nil {
		return nil
	}
	if kind == WindowCount {
		return &countCounter{limits: limits, ring: make([]outcomeBits, size)}
	}
	return newTimeCounter(limits, max(1, duration/time.Duration(buckets)), buckets)
}
