package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"

	"skidbladnir.dev/driver/testdriverpb"
	"skidbladnir.dev/skidbladnir"
)

// hearable is what can be listened to.
type hearable interface {
	AddListener(skidbladnir.Listener) (remove func())
}

// listenersOf says who listens to the subject of a trace.
func listenersOf(trace *testdriverpb.Trace) []testdriverpb.Listener {
	switch {
	case trace.GetUnheard():
		return nil
	case len(trace.GetListeners()) == 0:
		return []testdriverpb.Listener{testdriverpb.Listener_LISTENER_RECORDING}
	default:
		return trace.GetListeners()
	}
}

// handedOver are the listeners that are given with the options.
func (r *run) handedOver() (listeners []skidbladnir.Listener) {
	for _, each := range r.listeners {
		if each == testdriverpb.Listener_LISTENER_GIVEN {
			listeners = append(listeners, r.listen)
		}
	}
	return listeners
}

// hear adds one listener to a part of the subject.
func (r *run) hear(subject hearable, listener testdriverpb.Listener) error {
	switch listener {
	case testdriverpb.Listener_LISTENER_RECORDING:
		subject.AddListener(r.listen)
	case testdriverpb.Listener_LISTENER_GIVEN: // handed over with the options
	case testdriverpb.Listener_LISTENER_FAILING:
		subject.AddListener(func(skidbladnir.Event) { panic(errListener) })
	case testdriverpb.Listener_LISTENER_REMOVED:
		remove := subject.AddListener(r.listen)
		remove()
		remove()
	case testdriverpb.Listener_LISTENER_LOOKING:
		subject.AddListener(func(skidbladnir.Event) {
			for _, each := range r.watched {
				each.read()
			}
		})
	default:
		return unsupported("the listener is not known to this driver: " + listener.String())
	}
	return nil
}

var errListener = errors.New("this listener fails")

// reports counts how often the failure of a listener has been logged, and logs all else.
type reports struct {
	slog.Handler
	count atomic.Uint32
}

var reported = &reports{Handler: slog.NewTextHandler(os.Stderr, nil)}

func (r *reports) Handle(ctx context.Context, record slog.Record) error {
	isReport := false
	record.Attrs(func(attr slog.Attr) bool {
		isReport = isReport || attr.Value.Any() == error(errListener)
		return true
	})
	if isReport {
		r.count.Add(1)
		return nil
	}
	return r.Handler.Handle(ctx, record)
}
