package skidbladnir_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

var errBoom = errors.New("boom")

// made unwraps what a constructor returns.
func made[P any](policy P, err error) P {
	if err != nil {
		panic(err)
	}
	return policy
}

// ok is an operation that succeeds.
func ok(context.Context) (string, error) { return "ok", nil }

// boom is an operation that fails.
func boom(context.Context) (string, error) { return "", errBoom }

// after is an operation that takes a while, and ends at once when its context is done.
func after(d time.Duration, value string, err error) sk.Operation[string] {
	return func(ctx context.Context) (string, error) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return value, err
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// stubborn is an operation that takes a while, whatever its context says.
func stubborn(d time.Duration, value string, err error) sk.Operation[string] {
	return func(context.Context) (string, error) {
		time.Sleep(d)
		return value, err
	}
}

// recorder notes events.
type recorder struct {
	mu     sync.Mutex
	events []sk.Event
}

func (r *recorder) listen(event sk.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, event)
}

func (r *recorder) all() []sk.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

func (r *recorder) types() []sk.EventType {
	var types []sk.EventType
	for _, event := range r.all() {
		types = append(types, event.Type)
	}
	return types
}

func (r *recorder) count(kind sk.EventType) int {
	count := 0
	for _, each := range r.types() {
		if each == kind {
			count++
		}
	}
	return count
}

func wantTypes(t *testing.T, r *recorder, want ...sk.EventType) {
	t.Helper()
	if got := r.types(); !slices.Equal(got, want) {
		t.Errorf("events are %v, want %v", got, want)
	}
}

func wantError(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("the error is %v, want %v", err, target)
	}
}

func wantEqual[V comparable](t *testing.T, what string, got, want V) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// wantConfigurationError checks the code and path of a constructor's error.
func wantConfigurationError(t *testing.T, err error, code, path string) {
	t.Helper()
	var configuration *sk.ConfigurationError
	if !errors.As(err, &configuration) {
		t.Fatalf("the error is %v, want a ConfigurationError", err)
	}
	wantEqual(t, "the code", configuration.Code, code)
	wantEqual(t, "the path", configuration.Path, path)
}

// wantLogged runs f, and checks that it logged something.
func wantLogged(t *testing.T, part string, f func()) {
	t.Helper()
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	f()
	if !strings.Contains(log.String(), part) {
		t.Errorf("the log has no %q: %s", part, log.String())
	}
}
