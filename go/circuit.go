package skidbladnir

import (
	"slices"
	"time"
)

// CircuitState is the state of a circuit breaker.
type CircuitState string

// The states.
const (
	StateClosed     CircuitState = "CLOSED"
	StateOpen       CircuitState = "OPEN"
	StateHalfOpen   CircuitState = "HALF_OPEN"
	StateForcedOpen CircuitState = "FORCED_OPEN"
	StateDisabled   CircuitState = "DISABLED"
)

// Reasons of transitions that a window does not give.
const (
	reasonResetTimeout    = "reset_timeout"
	reasonProbesSucceeded = "probes_succeeded"
	reasonProbeFailed     = "probe_failed"
	reasonProbeSlow       = "probe_slow"
	reasonForcedOpen      = "forced_open"
	reasonDisabled        = "disabled"
	reasonReset           = "reset"
)

// permit is an admitted call: the generation it belongs to, and when it began.
type permit struct {
	generation int64
	started    time.Duration
}

// transition is a change of state; nil where there is none, which is nearly always.
type transition struct {
	from, to   CircuitState
	generation int64
	reason     string
}

// circuit is the state machine of a circuit breaker: the table of the specification, without clock, lock or listener. Its
// time is that since the breaker's construction.
type circuit struct {
	counter          counter
	resetTimeout     time.Duration
	successThreshold int64
	maxProbes        int64
	slowCall         time.Duration // 0: none
	backoffFactor    float64       // 0: none
	backoffMaxMS     float64

	state      CircuitState
	generation int64
	openedAt   time.Duration
	timeout    time.Duration // of this OPEN
	nextMS     float64       // timeout of the next OPEN, where it backs off

	// countsProbes: the counts are those of the probes, in HALF_OPEN and in an OPEN that a probe caused.
	countsProbes                       bool
	probeFailures, probeSuccesses      int64
	probes                             []time.Duration // when each probe that occupies a place began, the oldest first
	successes, failures, ignored       int64
	cancelled, rejected, slow, running int64
}

// timesCalls tells whether to admit a call needs the time.
func (c *circuit) timesCalls() bool {
	return c.slowCall > 0 || c.state == StateOpen || c.state == StateHalfOpen
}

// timesSuccesses tells whether to record a success needs the time; a failure always does, for it may open the circuit.
func (c *circuit) timesSuccesses() bool {
	return c.timesCalls() || (c.state == StateClosed && c.counter.timesSuccesses())
}

// admit decides on a call.
func (c *circuit) admit(now time.Duration) (call permit, admitted bool, change *transition) {
	switch c.state {
	case StateClosed, StateDisabled:
		admitted = true
	case StateOpen:
		if now-c.openedAt >= c.timeout {
			change = c.enter(StateHalfOpen, now, reasonResetTimeout)
			admitted = true
		}
	case StateHalfOpen:
		c.freeHungProbes(now)
		places := int64(len(c.probes))
		admitted = places < c.maxProbes && places+c.probeSuccesses < c.successThreshold
	}
	if !admitted {
		c.rejected++
		return permit{}, false, change
	}
	c.running++
	if c.state == StateHalfOpen {
		c.probes = append(c.probes, now)
	}
	return permit{c.generation, now}, true, change
}

func (c *circuit) succeed(call permit, now time.Duration) *transition {
	c.successes++
	slow := c.end(call, now)
	if call.generation != c.generation {
		return nil
	}
	switch c.state {
	case StateClosed:
		return c.openFor(c.counter.record(now, false, slow), now)
	case StateHalfOpen:
		if slow {
			return c.enter(StateOpen, now, reasonProbeSlow)
		}
		c.probeSuccesses++
		if c.probeSuccesses >= c.successThreshold {
			return c.enter(StateClosed, now, reasonProbesSucceeded)
		}
	}
	return nil
}

func (c *circuit) fail(call permit, now time.Duration) *transition {
	c.failures++
	slow := c.end(call, now)
	if call.generation != c.generation {
		return nil
	}
	switch c.state {
	case StateClosed:
		return c.openFor(c.counter.record(now, true, slow), now)
	case StateHalfOpen:
		c.probeFailures++
		return c.enter(StateOpen, now, reasonProbeFailed)
	}
	return nil
}

func (c *circuit) ignore(call permit) {
	c.ignored++
	c.giveBack(call)
}

func (c *circuit) cancel(call permit) {
	c.cancelled++
	c.giveBack(call)
}

// force is CB-19 to CB-21.
func (c *circuit) force(state CircuitState, now time.Duration, reason string) *transition {
	if state == c.state && state != StateClosed {
		return nil
	}
	return c.enter(state, now, reason)
}

// counts are the failures and successes that count now (CB-22).
func (c *circuit) counts(now time.Duration) (failures, successes int64) {
	if c.countsProbes {
		return c.probeFailures, c.probeSuccesses
	}
	if c.state == StateOpen {
		now = c.openedAt
	}
	return c.counter.counts(now)
}

func (c *circuit) runningProbes(now time.Duration) int64 {
	var count int64
	for _, started := range c.probes {
		if !c.isHung(started, now) {
			count++
		}
	}
	return count
}

// retryAfter is what is left of OPEN; 0 in other states.
func (c *circuit) retryAfter(now time.Duration) time.Duration {
	if c.state != StateOpen {
		return 0
	}
	return max(0, c.openedAt+c.timeout-now)
}

// end gives back what the call held, and tells whether it was slow.
func (c *circuit) end(call permit, now time.Duration) (slow bool) {
	c.giveBack(call)
	slow = c.slowCall > 0 && now-call.started >= c.slowCall
	if slow {
		c.slow++
	}
	return slow
}

func (c *circuit) giveBack(call permit) {
	c.running--
	if call.generation != c.generation {
		return
	}
	if place := slices.Index(c.probes, call.started); place >= 0 {
		c.probes = slices.Delete(c.probes, place, place+1)
	}
}

// isHung is CB-12.
func (c *circuit) isHung(started, now time.Duration) bool {
	return c.resetTimeout > 0 && now-started >= c.resetTimeout
}

func (c *circuit) freeHungProbes(now time.Duration) {
	c.probes = slices.DeleteFunc(c.probes, func(started time.Duration) bool { return c.isHung(started, now) })
}

func (c *circuit) openFor(reason string, now time.Duration) *transition {
	if reason == "" {
		return nil
	}
	return c.enter(StateOpen, now, reason)
}

// enter is the way into every state: a new generation, and counts from 0 (CB-17, CB-18).
func (c *circuit) enter(state CircuitState, now time.Duration, reason string) *transition {
	from := c.state
	c.state = state
	c.generation++
	c.probes = c.probes[:0]
	c.countsProbes = state == StateHalfOpen || (state == StateOpen && from == StateHalfOpen)
	if state == StateOpen {
		c.open(now)
	} else {
		c.counter.clear()
		c.probeFailures, c.probeSuccesses = 0, 0
	}
	if state == StateClosed {
		c.nextMS = milliseconds(c.resetTimeout)
	}
	return &transition{from, state, c.generation, reason}
}

// open sets the reset timeout of this OPEN and prepares that of the next (CB-10).
func (c *circuit) open(now time.Duration) {
	c.openedAt = now
	c.timeout = c.resetTimeout
	if c.backoffFactor > 0 {
		c.timeout = wholeMilliseconds(c.nextMS)
		c.nextMS = min(float64(c.nextMS*c.backoffFactor), c.backoffMaxMS)
	}
}
