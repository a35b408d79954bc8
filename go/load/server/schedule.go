package main

import (
	"fmt"
	"strings"
	"time"
)

// The phases that a schedule is made of.
const (
	healthy    = "healthy"    // 200, after the latency
	failing    = "failing"    // 503 at once
	stalling   = "stalling"   // no answer until the client gives up
	resetting  = "resetting"  // the connection is reset, without an answer
	recovering = "recovering" // 503 at first, 200 ever more often
)

// phase is a behaviour of the server for a time.
type phase struct {
	name     string
	duration time.Duration
}

// schedule is a sequence of phases that begins anew when it is over.
type schedule []phase

// parseSchedule reads what String writes: "healthy:4s,failing:2s".
func parseSchedule(text string) (schedule, error) {
	var all schedule
	for part := range strings.SplitSeq(text, ",") {
		name, length, _ := strings.Cut(strings.TrimSpace(part), ":")
		switch name {
		case healthy, failing, stalling, resetting, recovering:
		default:
			return nil, fmt.Errorf("no such phase: %q; there are healthy, failing, stalling, resetting, recovering", name)
		}
		duration, err := time.ParseDuration(length)
		if err != nil || duration <= 0 {
			return nil, fmt.Errorf("phase %s needs a duration greater than 0, as in %s:2s, not %q", name, name, length)
		}
		all = append(all, phase{name, duration})
	}
	return all, nil
}

func (s schedule) String() string {
	parts := make([]string, len(s))
	for i, each := range s {
		parts[i] = each.name + ":" + each.duration.String()
	}
	return strings.Join(parts, ",")
}

// at is the phase after a time, and how much of it is over (0 to 1).
func (s schedule) at(elapsed time.Duration) (name string, progress float64) {
	var cycle time.Duration
	for _, each := range s {
		cycle += each.duration
	}
	elapsed %= cycle
	for _, each := range s {
		if elapsed < each.duration {
			return each.name, float64(elapsed) / float64(each.duration)
		}
		elapsed -= each.duration
	}
	panic("unreachable: the phases fill the cycle")
}
