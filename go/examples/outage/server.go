package main

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// behaviour is what the server does with a request.
type behaviour int32

const (
	answering   behaviour = iota
	unavailable           // 503
	stalling              // no answer until the client gives up
	resetting             // the connection is closed without an answer
)

// server is a dependency that can be made to fail. Its zero value answers.
type server struct {
	behaviour atomic.Int32
	requests  atomic.Int64
}

func (s *server) behave(as behaviour) { s.behaviour.Store(int32(as)) }

func (s *server) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	number := s.requests.Add(1)
	switch behaviour(s.behaviour.Load()) {
	case unavailable:
		response.WriteHeader(http.StatusServiceUnavailable)
	case stalling:
		<-request.Context().Done()
	case resetting:
		panic(http.ErrAbortHandler)
	default:
		fmt.Fprintf(response, "answer %d", number)
	}
}
