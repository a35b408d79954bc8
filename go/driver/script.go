package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"skidbladnir.dev/driver/testdriverpb"
	"skidbladnir.dev/skidbladnir"
)

// result is what operations return: a text, or nil as the empty value.
type result = *string

// ScriptedError is the error of a script. It carries what an error of usual clients carries, each in its usual way.
type ScriptedError struct {
	script *testdriverpb.Error
	system error
	cause  error
}

func (e *ScriptedError) Error() string { return e.script.GetMessage() }

// StatusCode is the HTTP status, or 0.
func (e *ScriptedError) StatusCode() int { return int(e.script.GetHttpStatus()) }

// RetryAfter is how long to wait, or 0.
func (e *ScriptedError) RetryAfter() time.Duration { return ms(e.script.GetRetryAfterMs()) }

// Unwrap gives the system's error and the cause, where there are any.
func (e *ScriptedError) Unwrap() []error {
	var wrapped []error
	for _, each := range []error{e.system, e.cause} {
		if each != nil {
			wrapped = append(wrapped, each)
		}
	}
	return wrapped
}

// systemErrors are those of RT-7, as calls of the system return them.
var systemErrors = map[string]error{
	"EACCES":          syscall.EACCES,
	"EADDRINUSE":      syscall.EADDRINUSE,
	"EADDRNOTAVAIL":   syscall.EADDRNOTAVAIL,
	"EAFNOSUPPORT":    syscall.EAFNOSUPPORT,
	"EAGAIN":          syscall.EAGAIN,
	"EALREADY":        syscall.EALREADY,
	"EBADF":           syscall.EBADF,
	"EBUSY":           syscall.EBUSY,
	"ECONNABORTED":    syscall.ECONNABORTED,
	"ECONNREFUSED":    syscall.ECONNREFUSED,
	"ECONNRESET":      syscall.ECONNRESET,
	"EDESTADDRREQ":    syscall.EDESTADDRREQ,
	"EHOSTDOWN":       syscall.EHOSTDOWN,
	"EHOSTUNREACH":    syscall.EHOSTUNREACH,
	"EINPROGRESS":     syscall.EINPROGRESS,
	"EINTR":           syscall.EINTR,
	"EINVAL":          syscall.EINVAL,
	"EIO":             syscall.EIO,
	"EISCONN":         syscall.EISCONN,
	"EMFILE":          syscall.EMFILE,
	"EMSGSIZE":        syscall.EMSGSIZE,
	"ENETDOWN":        syscall.ENETDOWN,
	"ENETRESET":       syscall.ENETRESET,
	"ENETUNREACH":     syscall.ENETUNREACH,
	"ENFILE":          syscall.ENFILE,
	"ENOBUFS":         syscall.ENOBUFS,
	"ENOENT":          syscall.ENOENT,
	"ENOMEM":          syscall.ENOMEM,
	"ENOTCONN":        syscall.ENOTCONN,
	"ENOTSOCK":        syscall.ENOTSOCK,
	"EPERM":           syscall.EPERM,
	"EPIPE":           syscall.EPIPE,
	"EPROTO":          syscall.EPROTO,
	"EPROTONOSUPPORT": syscall.EPROTONOSUPPORT,
	"ESHUTDOWN":       syscall.ESHUTDOWN,
	"ETIMEDOUT":       syscall.ETIMEDOUT,
}

// systemError is an error with a code, in one of the ways in which Go's packages carry it; turn says which.
func systemError(code string, turn int) error {
	forms := []error{os.NewSyscallError("read", systemErrors[code]), systemErrors[code]}
	switch code {
	case "ECONNRESET":
		forms = append(forms, &url.Error{Op: "Get", Err: io.EOF}, &url.Error{Op: "Get", Err: io.ErrUnexpectedEOF})
	case "ETIMEDOUT":
		forms = append(forms, os.ErrDeadlineExceeded, &net.DNSError{Err: "i/o timeout", IsTimeout: true, IsTemporary: true})
	case "ENOTFOUND":
		forms = []error{&net.DNSError{Err: "no such host", IsNotFound: true}}
	case "EAI_AGAIN":
		forms = []error{&net.DNSError{Err: "server misbehaving", IsTemporary: true}}
	}
	return forms[turn%len(forms)]
}

func newScriptedError(script *testdriverpb.Error, turn int) *ScriptedError {
	err := &ScriptedError{script: script}
	if script.OsCode != nil {
		err.system = systemError(script.GetOsCode(), turn)
	}
	if script.Cause != nil {
		err.cause = newScriptedError(script.GetCause(), turn)
	}
	return err
}

// record is what is seen of one call, or of the checks of one provider.
type record struct {
	id     string
	cancel context.CancelFunc
	starts []int64
	// signals are the instants at which an operation heard the cancellation signal.
	signals []int64
	ended   *int64
	value   result
	err     error
	told    told
}

// told is how much of a record has been observed: what it has only grows.
type told struct {
	once            bool
	starts, signals int
	ended           bool
}

// operation performs the scripts: the first at its first start, and so on; the last repeats.
func (r *run) operation(rec *record, scripts []*testdriverpb.Script) skidbladnir.Operation[result] {
	return func(ctx context.Context) (result, error) {
		r.mu.Lock()
		rec.starts = append(rec.starts, r.now())
		script := scripts[min(len(rec.starts), len(scripts))-1]
		r.running++
		r.mu.Unlock()
		defer func() {
			r.mu.Lock()
			r.running--
			r.mu.Unlock()
		}()
		return r.perform(ctx, rec, script)
	}
}

func (r *run) perform(ctx context.Context, rec *record, script *testdriverpb.Script) (result, error) {
	var end <-chan time.Time
	if script.GetNever() == nil {
		if script.GetAfterMs() == 0 {
			return r.finish(script.GetOk(), script.GetError())
		}
		timer := time.NewTimer(ms(script.GetAfterMs()))
		defer timer.Stop()
		end = timer.C
	}
	signal := ctx.Done()
	for {
		select {
		case <-end:
			return r.finish(script.GetOk(), script.GetError())
		case <-r.over:
			return nil, context.Canceled
		case <-signal:
		}
		r.mu.Lock()
		rec.signals = append(rec.signals, r.now())
		r.mu.Unlock()
		if _, ignores := script.GetOnCancel().GetReaction().(*testdriverpb.OnCancel_Ignore); !ignores {
			return r.settle(ctx, script.GetOnCancel())
		}
		signal = nil
	}
}

// settle ends an operation that heard the signal.
func (r *run) settle(ctx context.Context, reaction *testdriverpb.OnCancel) (result, error) {
	if after := reaction.GetSettleAfterMs(); after > 0 {
		timer := time.NewTimer(ms(after))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.over:
		}
	}
	if reaction.GetEnd() == nil {
		return nil, ctx.Err()
	}
	return r.finish(reaction.GetOk(), reaction.GetError())
}

func (r *run) finish(ok *testdriverpb.Value, failure *testdriverpb.Error) (result, error) {
	if failure == nil {
		return ok.Text, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	err := newScriptedError(failure, len(r.made))
	r.made[err] = true
	return nil, err
}

// handler performs a script in place of a failed operation.
func (r *run) handler(script *testdriverpb.Script) skidbladnir.Handler[result] {
	operation := r.operation(&record{}, []*testdriverpb.Script{script})
	return func(ctx context.Context, _ error) (result, error) { return operation(ctx) }
}

// check performs the scripts of a provider, one a round.
func (r *run) check(rounds []*testdriverpb.Script) skidbladnir.Check {
	operation := r.operation(&record{}, rounds)
	return func(ctx context.Context) (bool, error) {
		text, err := operation(ctx)
		return text != nil && *text == "true", err
	}
}

// matches is a predicate over messages and results.
func matches(match *testdriverpb.Match) func(skidbladnir.Outcome) bool {
	if match == nil {
		return nil
	}
	return func(outcome skidbladnir.Outcome) bool {
		if outcome.Err != nil {
			for _, part := range match.GetErrors() {
				if strings.Contains(outcome.Err.Error(), part) {
					return true
				}
			}
			return false
		}
		text, _ := outcome.Result.(result)
		for _, each := range match.GetResults() {
			if text != nil && *text == each {
				return true
			}
		}
		return false
	}
}

// matchesError is matches, for errors alone.
func matchesError(match *testdriverpb.Match) func(error) bool {
	if match == nil {
		return nil
	}
	predicate := matches(match)
	return func(err error) bool { return predicate(skidbladnir.Outcome{Err: err}) }
}

// isNews says whether there is something to see that was not there when this was last asked.
func (rec *record) isNews() bool {
	before := rec.told
	rec.told = told{true, len(rec.starts), len(rec.signals), rec.ended != nil}
	return rec.told != before
}

func (rec *record) observe(made map[error]bool) *testdriverpb.CallObservation {
	seen := &testdriverpb.CallObservation{
		Id: rec.id, StartsMs: rec.starts, SignalsMs: rec.signals, EndedMs: rec.ended,
	}
	switch {
	case rec.ended == nil:
		seen.End = &testdriverpb.CallObservation_Pending{Pending: &testdriverpb.Pending{}}
	case rec.err == nil:
		seen.End = &testdriverpb.CallObservation_Ok{Ok: &testdriverpb.Value{Text: rec.value}}
	default:
		seen.End = &testdriverpb.CallObservation_Error{Error: observeError(rec.err, made)}
	}
	return seen
}

func observeError(err error, made map[error]bool) *testdriverpb.CallError {
	var cause error
	var fallback *skidbladnir.FallbackError
	if errors.As(err, &fallback) {
		both := fallback.Unwrap()
		err, cause = both[0], both[1]
	}
	seen := &testdriverpb.CallError{Code: skidbladnir.Code(err), Message: err.Error()}
	switch err := err.(type) {
	case *ScriptedError:
		seen.Same = made[err]
		if err.cause != nil {
			cause = err.cause
		}
	case skidbladnir.PolicyError:
		seen.Policy = ptr(err.Policy())
	default:
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			// The operation ended by the cancellation.
			seen = &testdriverpb.CallError{Code: skidbladnir.CodeCancelled}
		}
	}
	var open *skidbladnir.CircuitOpenError
	if errors.As(err, &open) && open.RetryAfter() > 0 {
		seen.RetryAfterMs = ptr(ceilMS(open.RetryAfter()))
	}
	if cause != nil {
		seen.Cause = ptr(skidbladnir.Code(cause))
	}
	return seen
}
