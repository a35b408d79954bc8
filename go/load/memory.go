package main

import (
	"cmp"
	"runtime"
	"slices"
	"time"
)

// sample is the memory in use after a collection of garbage.
type sample struct {
	Seconds    float64 `json:"seconds"`
	Bytes      int64   `json:"bytes"`
	Goroutines int     `json:"goroutines"`
}

// watch samples the memory each second.
type watch struct {
	begin   time.Time
	over    chan struct{}
	samples chan []sample
}

func startWatch() *watch {
	w := &watch{time.Now(), make(chan struct{}), make(chan []sample)}
	go func() {
		all := []sample{w.sample()}
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				all = append(all, w.sample())
			case <-w.over:
				w.samples <- append(all, w.sample())
				return
			}
		}
	}()
	return w
}

func (w *watch) sample() sample {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return sample{time.Since(w.begin).Seconds(), int64(stats.HeapAlloc + stats.StackInuse), runtime.NumGoroutine()}
}

func (w *watch) stop() []sample {
	close(w.over)
	return <-w.samples
}

// growth compares the least memory in use in the first third of a run with that in the last. The least, because what is in
// use while the server stalls are the calls that wait. The very first sample is from before the first call.
func growth(samples []sample) (first, last int64) {
	third := (len(samples) + 2) / 3
	least := func(part []sample) int64 {
		return slices.MinFunc(part, func(a, b sample) int { return cmp.Compare(a.Bytes, b.Bytes) }).Bytes
	}
	return least(samples[1:max(third, 2)]), least(samples[len(samples)-third:])
}
