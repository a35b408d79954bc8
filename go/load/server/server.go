package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// server is a dependency that fails and recovers by a schedule.
type server struct {
	schedule schedule
	latency  time.Duration
	longest  time.Duration // of a stall

	started  atomic.Pointer[time.Time]
	requests counts
}

// counts are the requests since the start of the schedule, by what became of them.
type counts struct {
	ok, failed, stalled, reset, running atomic.Int64
}

func newServer(schedule schedule, latency, longestStall time.Duration) *server {
	s := &server{schedule: schedule, latency: latency, longest: longestStall}
	s.start()
	return s
}

// start begins the schedule and the counts anew.
func (s *server) start() {
	s.startedAt(time.Now())
	for _, each := range []*atomic.Int64{&s.requests.ok, &s.requests.failed, &s.requests.stalled, &s.requests.reset} {
		each.Store(0)
	}
}

func (s *server) startedAt(when time.Time) { s.started.Store(&when) }

func (s *server) phase() (name string, progress float64) {
	return s.schedule.at(time.Since(*s.started.Load()))
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /-/start", func(response http.ResponseWriter, _ *http.Request) {
		s.start()
		response.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /-/status", s.status)
	mux.HandleFunc("/", s.work)
	return mux
}

// status tells the phase, and what became of the requests since the start.
func (s *server) status(response http.ResponseWriter, _ *http.Request) {
	name, _ := s.phase()
	response.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(response).Encode(map[string]any{ // an error is the client's that has gone
		"phase":   name,
		"ok":      s.requests.ok.Load(),
		"failed":  s.requests.failed.Load(),
		"stalled": s.requests.stalled.Load(),
		"reset":   s.requests.reset.Load(),
		"running": s.requests.running.Load(),
	})
}

// work behaves as the phase in which the request came says.
func (s *server) work(response http.ResponseWriter, request *http.Request) {
	s.requests.running.Add(1)
	defer s.requests.running.Add(-1)
	name, progress := s.phase()
	if name == recovering {
		name = failing
		if rand.Float64() < progress {
			name = healthy
		}
	}
	switch name {
	case healthy:
		if s.latency > 0 {
			time.Sleep(s.latency)
		}
		s.requests.ok.Add(1)
		_, _ = io.WriteString(response, "ok") // an error is the client's that has gone
	case failing:
		s.requests.failed.Add(1)
		response.WriteHeader(http.StatusServiceUnavailable)
	case stalling:
		s.requests.stalled.Add(1)
		select {
		case <-request.Context().Done():
		case <-time.After(s.longest):
		}
		panic(http.ErrAbortHandler)
	case resetting:
		s.requests.reset.Add(1)
		reset(response)
	}
}

// reset closes the connection so that the client reads ECONNRESET rather than the end of the stream.
func reset(response http.ResponseWriter) {
	connection, _, err := http.NewResponseController(response).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the connection ends all the same
	}
	_ = connection.Close()
}
