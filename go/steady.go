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
	admits     bool          // CLOSED and DISABLED do
	probes     bool          // OPEN does, from probeAt on
	probeAt    time.Duration // since the breaker's construction
	stripes    stripes
	open       kinds // which counts are; under the breaker's lock
}

// The counts of a steady circuit.
const (
	countCalls = iota // admitted, or rejected
	countSuccesses
)

// kinds is a set of counts.
type kinds uint8

const (
	ofCalls     kinds = 1 << countCalls
	ofSuccesses kinds = 1 << countSuccesses
)

// steady is what counts for the circuit as it is.
func (c *circuit) steady() *steady {
	return &steady{
		state:      c.state,
		generation: c.generation,
		admits:     c.state == StateClosed || c.state == StateDisabled,
		probes:     c.state == StateOpen,
		probeAt:    c.openedAt + c.timeout,
		stripes:    newStripes(),
	}
}

// changesTotalsOnly tells of calls, and of successes, whether that is all they do.
func (c *circuit) changesTotalsOnly() kinds {
	switch {
	case c.slowCall > 0 || c.state == StateHalfOpen:
		return 0
	case c.state == StateClosed && !c.counter.ignoresSuccess():
		return ofCalls
	default:
		return ofCalls | ofSuccesses
	}
}

// count counts a call or a success, and tells whether it could.
func (s *steady) count(which int) bool { return s.stripes.own().counts[which].add(1) }

// isCurrent tells whether the circuit is, at this moment, as this says.
func (s *steady) isCurrent() bool { return s.stripes[0].counts[countCalls].isOpen() }

// follow makes open and sealed what is to be. Under the breaker's lock, as what follows.
func (s *steady) follow(c *circuit) {
	var right kinds
	if s.generation == c.generation {
		right = c.changesTotalsOnly()
	}
	if right == s.open {
		return
	}
	s.handOver(s.open&^right, c)
	for which := range s.stripes[0].counts {
		if of := kinds(1) << which; right&^s.open&of != 0 {
			s.stripes.open(which, 0)
			s.open |= of
		}
	}
}

// handOver seals counts that are open, and adds to the circuit's totals what they counted.
func (s *steady) handOver(some kinds, c *circuit) {
	if some&ofCalls != 0 {
		counted := s.stripes.seal(countCalls)
		if s.admits {
			c.running += counted
		} else {
			c.rejected += counted
		}
	}
	if some&ofSuccesses != 0 {
		counted := s.stripes.seal(countSuccesses)
		c.running -= counted
		c.successes += counted
	}
	s.open &^= some
}
