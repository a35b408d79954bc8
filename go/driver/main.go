// The conformance driver of Go. It serves TestDriver on loopback, prints the address, and ends when its standard input
// closes.
//
// Each trace runs in a bubble of testing/synctest, which needs a test to run in: the whole program is one, called from
// main. gRPC stays outside of the bubbles.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"os"
	"runtime"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"

	"skidbladnir.dev/driver/testdriverpb"
	"skidbladnir.dev/skidbladnir"
)

func main() {
	out := os.Stdout
	os.Stdout = os.Stderr // the test prints its own result
	os.Args = os.Args[:1] // which are the test's flags
	slog.SetDefault(slog.New(reported))
	runtime.GOMAXPROCS(1) // goroutines take turns: what happens at one instant has one order
	match := func(string, string) (bool, error) { return true, nil }
	serving := func(t *testing.T) {
		if err := serve(t, out); err != nil {
			log.Fatal(err)
		}
	}
	testing.Main(match, []testing.InternalTest{{Name: "driver", F: serving}}, nil, nil)
}

// serve answers until the standard input closes.
func serve(t *testing.T, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	jobs := make(chan job)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	testdriverpb.RegisterTestDriverServer(server, &servicer{jobs: jobs})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			log.Printf("standard input: %v", err)
		}
	}()
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return err
	}
	for {
		select {
		case <-closed:
			server.Stop()
			return <-served
		case job := <-jobs:
			var responses []*testdriverpb.ReplayResponse
			for _, trace := range job.traces {
				synctest.Test(t, func(*testing.T) { responses = append(responses, replay(trace)) })
			}
			job.responses <- responses
		}
	}
}

// job are traces for the test's goroutine.
type job struct {
	traces    []*testdriverpb.Trace
	responses chan<- []*testdriverpb.ReplayResponse
}

type servicer struct {
	testdriverpb.UnimplementedTestDriverServer
	jobs chan<- job
}

func (s *servicer) Describe(context.Context, *testdriverpb.DescribeRequest) (*testdriverpb.DescribeResponse, error) {
	return &testdriverpb.DescribeResponse{
		Language:        "go",
		PackageVersion:  skidbladnir.Version,
		SpecVersion:     "1.0",
		ProtocolVersion: 1,
		Batches:         true,
		Features: []string{
			"circuit_breaker", "retry", "bulkhead", "timeout", "cache", "fallback",
			"composition", "facade", "health", "providers", "cancel", "listeners",
		},
	}, nil
}

func (s *servicer) Replay(stream grpc.BidiStreamingServer[testdriverpb.ReplayRequest, testdriverpb.ReplayResponse]) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		responses, err := s.replay(stream.Context(), []*testdriverpb.Trace{request.GetTrace()})
		if err != nil {
			return err
		}
		if err := stream.Send(responses[0]); err != nil {
			return err
		}
	}
}

func (s *servicer) ReplayBatches(
	stream grpc.BidiStreamingServer[testdriverpb.ReplayBatchesRequest, testdriverpb.ReplayBatchesResponse],
) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		responses, err := s.replay(stream.Context(), request.GetTraces())
		if err != nil {
			return err
		}
		if err := stream.Send(&testdriverpb.ReplayBatchesResponse{Responses: responses}); err != nil {
			return err
		}
	}
}

// replay lets the test's goroutine replay traces.
func (s *servicer) replay(ctx context.Context, traces []*testdriverpb.Trace) ([]*testdriverpb.ReplayResponse, error) {
	responses := make(chan []*testdriverpb.ReplayResponse, 1)
	select {
	case s.jobs <- job{traces, responses}:
		return <-responses, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
