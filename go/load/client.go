package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

const (
	timeout = 250 * time.Millisecond
	slots   = 64
)

// process is the server, which ends with its standard input.
type process struct {
	address string
	command *exec.Cmd
	input   io.Closer
}

func startServer(program, schedule string) (*process, error) {
	p := &process{command: exec.Command(program, "-schedule", schedule)}
	p.command.Stderr = os.Stderr
	input, err := p.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	p.input = input
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s did not say where it listens: %w", program, err), p.stop())
	}
	p.address = strings.TrimSpace(address)
	return p, nil
}

// restart begins the schedule anew.
func (p *process) restart() error {
	response, err := http.Post(p.address+"/-/start", "", nil)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func (p *process) stop() error {
	_ = p.input.Close() // it ends by that
	return p.command.Wait()
}

// client calls the server, and knows how many of its calls ran at once.
type client struct {
	http             *http.Client
	url              string
	running, highest atomic.Int64
}

func newClient(url string) *client {
	return &client{url: url, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * slots}}}
}

// statusError is an answer that is not 200.
type statusError int

func (e statusError) Error() string { return strconv.Itoa(int(e)) + " " + http.StatusText(int(e)) }

func (c *client) fetch(ctx context.Context) (string, error) {
	running := c.running.Add(1)
	defer c.running.Add(-1)
	for {
		highest := c.highest.Load()
		if running <= highest || c.highest.CompareAndSwap(highest, running) {
			break
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return "", err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = statusError(response.StatusCode)
	}
	return string(body), err
}

// fetchWithin is what people write without a library: the operation with a timeout.
func (c *client) fetchWithin(int) string {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_, err := c.fetch(ctx)
	var status statusError
	switch {
	case err == nil:
		return outcomeOK
	case errors.Is(err, context.DeadlineExceeded):
		return sk.CodeTimeout
	case errors.As(err, &status):
		return "http_" + strconv.Itoa(int(status))
	case errors.Is(err, syscall.ECONNRESET):
		return "connection_reset"
	default:
		return "other"
	}
}

// guarded is the client behind a facade with every pattern. A third of its keys is asked for again while it is fresh or
// stale.
type guarded struct {
	client *client
	facade *sk.ResilienceFacade[string]
}

func newGuarded(c *client) (*guarded, error) {
	facade, err := sk.NewResilienceFacade[string](sk.FacadeOptions{
		CircuitBreaker: sk.CircuitBreakerOptions{
			Window:       sk.Window{Kind: sk.WindowTime, Duration: sk.Set(time.Second), MinimumCalls: sk.Set(20)},
			ResetTimeout: sk.Set(500 * time.Millisecond),
		},
		Bulkhead: sk.BulkheadOptions{
			MaxConcurrentCalls: sk.Set(slots), MaxQueueSize: sk.Set(4 * slots), MaxWait: sk.Set(100 * time.Millisecond),
		},
		Timeout: sk.TimeoutOptions{Timeout: sk.Set(timeout)},
		Retry: sk.RetryOptions{
			MaxRetries: sk.Set(2), InitialDelay: sk.Set(5 * time.Millisecond), Jitter: sk.JitterFull,
		},
		Cache: sk.CacheOptions{TTL: sk.Set(100 * time.Millisecond), MaxStale: sk.Set(100 * time.Millisecond)},
	})
	return &guarded{c, facade}, err
}

func (g *guarded) call(number int) string {
	key := strconv.Itoa(number)
	if number%3 == 0 {
		key = "shared " + strconv.Itoa(number%300)
	}
	if _, err := g.facade.Execute(context.Background(), key, g.client.fetch); err != nil {
		return sk.Code(err)
	}
	return outcomeOK
}

// findRate is a quarter of what goroutines that call one after another reach while the server is healthy: open-loop, the
// machine must have room for the other phases.
func findRate(program string) (int, error) {
	const (
		duration = 2 * time.Second
		callers  = 32
		most     = 20_000
	)
	server, err := startServer(program, "healthy:1h")
	if err != nil {
		return 0, err
	}
	defer server.stop()
	client := newClient(server.address)
	var calls atomic.Int64
	ended := make(chan struct{})
	deadline := time.Now().Add(duration)
	for range callers {
		go func() {
			for time.Now().Before(deadline) {
				if client.fetchWithin(0) == outcomeOK {
					calls.Add(1)
				}
			}
			ended <- struct{}{}
		}()
	}
	for range callers {
		<-ended
	}
	return min(max(int(float64(calls.Load())/duration.Seconds()/4), 10), most), nil
}
