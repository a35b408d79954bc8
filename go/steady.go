package skidbladnir

import "time"

// steady counts calls that change nothing but a circuit's totals: those that come while it is CLOSED, OPEN before the
// first probe, FORCED_OPEN or DISABLED, and successes that leave the window as it is. They need not know about each other,
// and count on stripes, without the breaker's lock.
//
// Who holds the lock seals a count before anybody else can see a circuit for which it would be wrong (see follow), and
// takes over what was counted; calls that find it sealed go the slow way, through the lock. What was counted meanwhile is
// as if it had come just before.
//
// It belongs to one generation; the next has its own, so that a call that was held up between finding this one and
// counting on it finds it sealed.
type steady struct {
	state      CircuitState
	generation int64
	probeAt    time.Duration // while OPEN
	stripes    stripes
	open       [2]bool // which counts are; under the breaker's lock
}

// The counts of a steady circuit.
const (
	countCalls     = 0 // admitted, or rejected
	countSuccesses = 1
)

// steady is what counts for the circuit as it is.
func (c *circuit) steady() *steady {
	return &steady{
		state:      c.state,
		generation: c.generation,
		probeAt:    c.openedAt + c.timeout,
		stripes:    newStripes(),
	}
}

// changesTotalsOnly tells of a call, and of a success, whether that is all they do.
func (c *circuit) changesTotalsOnly() (is [2]bool) {
	if c.slowCall > 0 || c.state == StateHalfOpen {
		return is
	}
	is[countCalls] = true
	is[countSuccesses] = c.state != StateClosed || c.counter.ignoresSuccess()
	return is
}

func (s *steady) admits() bool { return s.state == StateClosed || s.state == StateDisabled }

// count counts a call or a success, and tells whether it could.
func (s *steady) count(which int) bool { return s.stripes.own().counts[which].add(1) }

// isCurrent tells whether the circuit is, at this moment, as this says.
func (s *steady) isCurrent() bool { return s.stripes[0].counts[countCalls].isOpen() }

// follow makes open and sealed what is to be. Under the breaker's lock, as what follows.
func (s *steady) follow(c *circuit) {
	var right [2]bool
	if s.generation == c.generation {
		right = c.changesTotalsOnly()
	}
	if right == s.open {
		return
	}
	for which, isRight := range right {
		switch {
		case s.open[which] && !isRight:
			s.handOver(which, c)
		case !s.open[which] && isRight:
			s.stripes.open(which, 0)
			s.open[which] = true
		}
	}
}

// handOverAll is for who is to see the totals.
func (s *steady) handOverAll(c *circuit) {
	for which, open := range s.open {
		if open {
			s.handOver(which, c)
		}
	}
}

// handOver seals a count, and adds to the circuit's totals what it counted.
func (s *steady) handOver(which int, c *circuit) {
	counted := s.stripes.seal(which)
	s.open[which] = false
	switch {
	case which == countSuccesses:
		c.running -= counted
		c.successes += counted
	case s.admits():
		c.running += counted
	default:
		c.rejected += counted
	}
}
