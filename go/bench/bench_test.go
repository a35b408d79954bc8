// Package bench measures this project beside its peers: every benchmark is named case=.../impl=..., for benchstat, and reports the
// processor time of a call beside the time that passed, because other work on the machine lengthens only the latter.
package bench

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"
)

var errBoom = errors.New("boom")

// answer is the operation of most cases.
func answer(context.Context) (string, error) { return "answer", nil }

// plainAnswer is the same, for peers whose operations take no context.
func plainAnswer() (string, error) { return "answer", nil }

// failing fails some times, then succeeds, and again.
func failing(times int) func(context.Context) (string, error) {
	left := times
	return func(context.Context) (string, error) {
		if left > 0 {
			left--
			return "", errBoom
		}
		left = times
		return "answer", nil
	}
}

// implementation is one way to do what a case asks: call does it once.
type implementation struct {
	name string
	call func()
}

// run measures each implementation of a case, one goroutine calling.
func run(b *testing.B, id string, all ...implementation) {
	for _, each := range all {
		b.Run("case="+id+"/impl="+each.name, func(b *testing.B) {
			each.call() // what is made once is made now
			b.ReportAllocs()
			before := processorTime()
			for b.Loop() {
				each.call()
			}
			report(b, before)
		})
	}
}

// runParallel measures each implementation of a case, as many goroutines calling as -cpu says.
func runParallel(b *testing.B, id string, all ...implementation) {
	for _, each := range all {
		b.Run("case="+id+"/impl="+each.name, func(b *testing.B) {
			b.ReportAllocs()
			before := processorTime()
			b.RunParallel(func(loop *testing.PB) {
				for loop.Next() {
					each.call()
				}
			})
			report(b, before)
		})
	}
}

func report(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(processorTime()-before)/float64(b.N), "cpu-ns/op")
}

// processorTime is what this process has used, the collector of garbage included.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// must is for constructors, and for calls that a benchmark needs to succeed.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
