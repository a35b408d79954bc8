// Command outage plays an outage of an HTTP service through, on loopback: it answers, is unavailable, stalls, resets
// connections, and recovers. It prints the events of the facade that stands before it, and what the caller gets.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"sync"
	"time"

	"skidbladnir.dev/skidbladnir"
	"skidbladnir.dev/skidbladnir/providers"
)

func main() {
	if err := play(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

const resetTimeout = 200 * time.Millisecond

// newFacade has the options of the preset "zephyr", its times scaled down to those of a demonstration.
func newFacade(listener skidbladnir.Listener) (*skidbladnir.ResilienceFacade[string], error) {
	config, err := providers.Presets().Provider("zephyr")
	if err != nil {
		return nil, err
	}
	options := config.Options()
	options.Retry.InitialDelay = skidbladnir.Set(5 * time.Millisecond)
	options.Retry.MaxRetries = skidbladnir.Set(1)
	options.Timeout.Timeout = skidbladnir.Set(100 * time.Millisecond)
	options.CircuitBreaker.FailureThreshold = skidbladnir.Set(4)
	options.CircuitBreaker.ResetTimeout = skidbladnir.Set(resetTimeout)
	options.Listeners = []skidbladnir.Listener{listener}
	return skidbladnir.NewResilienceFacade[string](options)
}

// play plays the outage through, and writes what happens.
func play(ctx context.Context, out io.Writer) error {
	dependency := &server{}
	listening := httptest.NewServer(dependency)
	defer listening.Close()

	show := &printer{out: out}
	facade, err := newFacade(show.event)
	if err != nil {
		return err
	}
	defer facade.Close()
	call := func() {
		text, err := facade.ExecuteWithFallback(ctx, skidbladnir.NoKey,
			func(ctx context.Context) (string, error) { return get(ctx, listening.Client(), listening.URL) },
			func(context.Context, error) (string, error) { return "a substitute", nil })
		show.line("=> %q, %v", text, err)
	}

	for _, act := range []struct {
		title string
		as    behaviour
		calls int
	}{
		{"the server answers", answering, 1},
		{"it is unavailable", unavailable, 1},
		{"it stalls", stalling, 1},
		{"it resets connections", resetting, 2},
		{"the circuit is open", resetting, 1},
	} {
		show.line("# %s", act.title)
		dependency.behave(act.as)
		for range act.calls {
			call()
		}
	}

	show.line("# it has recovered")
	dependency.behave(answering)
	time.Sleep(resetTimeout)
	call()
	call()
	return show.err
}

// printer writes lines, from several goroutines.
type printer struct {
	mu  sync.Mutex
	out io.Writer
	err error
}

func (p *printer) line(format string, values ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := fmt.Fprintf(p.out, format+"\n", values...); err != nil && p.err == nil {
		p.err = err
	}
}

func (p *printer) event(event skidbladnir.Event) {
	switch event.Type {
	case skidbladnir.EventCircuitStateChanged:
		p.line("   %s: %s to %s, %s", event.Type, event.From, event.To, event.Reason)
	case skidbladnir.EventRetryScheduled, skidbladnir.EventRetryExhausted, skidbladnir.EventFallbackUsed,
		skidbladnir.EventCallFailed:
		p.line("   %s: %v", event.Type, event.Err)
	default:
		p.line("   %s", event.Type)
	}
}
