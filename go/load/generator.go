package main

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	outcomeOK      = "ok"
	outcomeNotSent = "not_sent" // the generator had too many calls under way
)

// generator begins calls at a rate, whether or not earlier ones have ended.
type generator struct {
	name     string
	rate     int
	duration time.Duration
	call     func(number int) (outcome string)

	mu       sync.Mutex
	issued   int64
	running  int
	outcomes map[string]int64
	answered *hdrhistogram.Histogram // microseconds of the calls that were ok
	all      *hdrhistogram.Histogram
}

const (
	mostRunning = 4000
	longest     = time.Minute // a call that takes longer is counted as this long
	patience    = 10 * time.Second
)

// run issues all calls, waits for them, and watches the memory meanwhile.
func (g *generator) run() runResult {
	newHistogram := func() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest.Microseconds(), 3) }
	g.outcomes, g.answered, g.all = map[string]int64{}, newHistogram(), newHistogram()
	watch := startWatch()
	begin := time.Now()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for number := 0; ; {
		elapsed := time.Since(begin)
		if elapsed >= g.duration {
			break
		}
		for due := int(elapsed.Seconds() * float64(g.rate)); number < due; number++ {
			g.issue(number, begin.Add(time.Duration(float64(number)/float64(g.rate)*float64(time.Second))))
		}
		<-tick.C
	}
	g.wait()
	return g.result(watch.stop())
}

// issue begins a call that was due at a time.
func (g *generator) issue(number int, due time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.issued++
	if g.running >= mostRunning {
		g.outcomes[outcomeNotSent]++
		return
	}
	g.running++
	go func() {
		outcome := g.call(number)
		g.end(outcome, time.Since(due))
	}()
}

func (g *generator) end(outcome string, latency time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running--
	g.outcomes[outcome]++
	microseconds := min(latency, longest).Microseconds()
	_ = g.all.RecordValue(microseconds) // it is in the range
	if outcome == outcomeOK {
		_ = g.answered.RecordValue(microseconds)
	}
}

// wait gives calls under way time to end; those that do not are missing from the outcomes.
func (g *generator) wait() {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		g.mu.Lock()
		running := g.running
		g.mu.Unlock()
		if running == 0 {
			return
		}
	}
}

func (g *generator) result(memory []sample) runResult {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := runResult{
		Name: g.name, Seconds: g.duration.Seconds(), Issued: g.issued, Outcomes: map[string]int64{}, Memory: memory,
		Answered: percentilesOf(g.answered), All: percentilesOf(g.all),
	}
	for outcome, count := range g.outcomes {
		r.Outcomes[outcome] = count
	}
	return r
}
