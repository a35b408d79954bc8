package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"skidbladnir.dev/driver/testdriverpb"
	"skidbladnir.dev/skidbladnir"
)

// ScriptedError is the error of a script.
type ScriptedError struct {
	message    string
	system     error // as the standard library reports an OS code, or nil
	status     int
	retryAfter time.Duration
	cause      error
}

func (e *ScriptedError) Error() string             { return e.message }
func (e *ScriptedError) StatusCode() int           { return e.status }
func (e *ScriptedError) RetryAfter() time.Duration { return e.retryAfter }

// Unwrap gives the system's error and the cause, where there are any.
func (e *ScriptedError) Unwrap() []error {
	return slices.DeleteFunc([]error{e.system, e.cause}, func(err error) bool { return err == nil })
}

var errnos = map[string]error{
	"ECONNRESET":   syscall.ECONNRESET,
	"ECONNREFUSED": syscall.ECONNREFUSED,
	"ECONNABORTED": syscall.ECONNABORTED,
	"EPIPE":        syscall.EPIPE,
	"ETIMEDOUT":    syscall.ETIMEDOUT,
	"ENETUNREACH":  syscall.ENETUNREACH,
	"EHOSTUNREACH": syscall.EHOSTUNREACH,
	"EACCES":       syscall.EACCES,
	"ENOENT":       syscall.ENOENT,
	"EMFILE":       syscall.EMFILE,
	"EADDRINUSE":   syscall.EADDRINUSE,
	"ENOTFOUND":    &net.DNSError{Err: "no such host", Name: "scripted", IsNotFound: true},
}

func makeError(script *testdriverpb.Error) error {
	err := &ScriptedError{
		message:    script.GetMessage(),
		status:     int(script.GetHttpStatus()),
		retryAfter: time.Duration(script.GetRetryAfterMs()) * time.Millisecond,
	}
	if script.OsCode != nil {
		err.system = errnos[script.GetOsCode()]
	}
	if script.Cause != nil {
		err.cause = makeError(script.Cause)
	}
	return err
}

// checkError refuses an error that makeError cannot make.
func checkError(script *testdriverpb.Error) error {
	for ; script != nil; script = script.Cause {
		if _, known := errnos[script.GetOsCode()]; script.OsCode != nil && !known {
			return unsupported(fmt.Sprintf("the OS code is not known to this driver: %s", script.GetOsCode()))
		}
	}
	return nil
}

// record is what is seen of one call. Its lock is the run's.
type record struct {
	id              string
	starts, signals []int64
	ended           *int64
	result          any
	err             error
}

// operations performs scripts, and counts those that run.
type operations struct {
	began time.Time
	quit  chan struct{} // closed when the trace is over

	mu      sync.Mutex
	running int
	made    []error
}

var errOver = errors.New("the trace is over")

func (o *operations) now() int64 { return time.Since(o.began).Milliseconds() }

// operation does at each start what the next script says; the last repeats.
func (o *operations) operation(seen *record, scripts []*testdriverpb.Script) skidbladnir.Operation[any] {
	return func(ctx context.Context) (any, error) {
		o.mu.Lock()
		seen.starts = append(seen.starts, o.now())
		script := scripts[min(len(seen.starts), len(scripts))-1]
		o.running++
		o.mu.Unlock()
		defer func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.running--
		}()
		return o.perform(ctx, seen, script)
	}
}

func (o *operations) perform(ctx context.Context, seen *record, script *testdriverpb.Script) (any, error) {
	var end <-chan time.Time
	if script.GetNever() == nil {
		if script.GetAfterMs() == 0 {
			return o.finish(script.GetOk(), script.GetError())
		}
		end = time.After(time.Duration(script.GetAfterMs()) * time.Millisecond)
	}
	select {
	case <-end:
		return o.finish(script.GetOk(), script.GetError())
	case <-o.quit:
		return nil, errOver
	case <-ctx.Done():
	}
	o.mu.Lock()
	seen.signals = append(seen.signals, o.now())
	o.mu.Unlock()
	reaction := script.GetOnCancel()
	if reaction.GetIgnore() != nil {
		select {
		case <-end:
			return o.finish(script.GetOk(), script.GetError())
		case <-o.quit:
			return nil, errOver
		}
	}
	if settle := reaction.GetSettleAfterMs(); settle > 0 {
		select {
		case <-time.After(time.Duration(settle) * time.Millisecond):
		case <-o.quit:
			return nil, errOver
		}
	}
	if reaction.GetEnd() == nil {
		return nil, ctx.Err()
	}
	return o.finish(reaction.GetOk(), reaction.GetError())
}

// finish is what an operation ends with.
func (o *operations) finish(ok *testdriverpb.Value, script *testdriverpb.Error) (any, error) {
	if script == nil {
		return valueOf(ok), nil
	}
	err := makeError(script)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.made = append(o.made, err)
	return nil, err
}

// valueOf is a result: a string, or nil.
func valueOf(value *testdriverpb.Value) any {
	if value == nil || value.Text == nil {
		return nil
	}
	return value.GetText()
}

// matches is the predicate of a Match.
func matches(match *testdriverpb.Match) func(skidbladnir.Outcome) bool {
	if match == nil {
		return nil
	}
	return func(outcome skidbladnir.Outcome) bool {
		if outcome.Err == nil {
			text, ok := outcome.Result.(string)
			return ok && slices.Contains(match.Results, text)
		}
		message := outcome.Err.Error()
		return slices.ContainsFunc(match.Errors, func(part string) bool { return strings.Contains(message, part) })
	}
}

// matchesError is the predicate of a Match, for errors alone.
func matchesError(match *testdriverpb.Match) func(error) bool {
	if match == nil {
		return nil
	}
	predicate := matches(match)
	return func(err error) bool { return predicate(skidbladnir.Outcome{Err: err}) }
}

// handler is a fallback's handler that does what a script says.
func (o *operations) handler(script *testdriverpb.Script) skidbladnir.Handler[any] {
	operate := o.operation(&record{}, []*testdriverpb.Script{script})
	return func(ctx context.Context, _ error) (any, error) { return operate(ctx) }
}

// check is a health check: one script a round, healthy when it ends with the text "true".
func (o *operations) check(rounds []*testdriverpb.Script) skidbladnir.Check {
	operate := o.operation(&record{}, rounds)
	return func(ctx context.Context) (bool, error) {
		result, err := operate(ctx)
		return result == "true", err
	}
}
