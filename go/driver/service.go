package main

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc"

	"skidbladnir.dev/driver/testdriverpb"
)

const packageVersion = "1.0.0"

// driver answers the conformance runner.
type driver struct {
	testdriverpb.UnimplementedTestDriverServer
	t *testing.T
}

func (d *driver) Describe(context.Context, *testdriverpb.DescribeRequest) (*testdriverpb.DescribeResponse, error) {
	return &testdriverpb.DescribeResponse{
		Language:        "go",
		PackageVersion:  packageVersion,
		SpecVersion:     "1.0",
		ProtocolVersion: 1,
		Features:        []string{"cancel", "providers", "health"},
	}, nil
}

func (d *driver) Replay(
	stream grpc.BidiStreamingServer[testdriverpb.ReplayRequest, testdriverpb.ReplayResponse],
) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		trace := request.GetTrace()
		response := &testdriverpb.ReplayResponse{TraceId: trace.GetId()}
		observation, err := replay(d.t, trace)
		var unknown unsupported
		switch {
		case errors.As(err, &unknown):
			response.Result = &testdriverpb.ReplayResponse_Unsupported{Unsupported: string(unknown)}
		case err != nil:
			return err
		default:
			response.Result = &testdriverpb.ReplayResponse_Observation{Observation: observation}
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

// unsupported is why a trace cannot be replayed: it asks for something this driver does not know.
type unsupported string

func (u unsupported) Error() string { return string(u) }
