// Command driver is the conformance driver of Go: it serves TestDriver on loopback, prints the address, and ends when its
// standard input closes.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"google.golang.org/grpc"

	"skidbladnir.dev/driver/testdriverpb"
)

func main() {
	// Package testing writes its verdict to the standard output, which belongs to the address line.
	stdout := os.Stdout
	os.Stdout = os.Stderr
	// Virtual time is for tests only, so the server is one.
	test := testing.InternalTest{Name: "Driver", F: func(t *testing.T) { serve(t, stdout) }}
	all := func(string, string) (bool, error) { return true, nil }
	testing.Main(all, []testing.InternalTest{test}, nil, nil)
}

func serve(t *testing.T, stdout io.Writer) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	testdriverpb.RegisterTestDriverServer(server, &driver{t: t})
	if _, err := fmt.Fprintln(stdout, listener.Addr()); err != nil {
		t.Fatal(err)
	}
	go func() {
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			t.Error(err)
		}
		server.Stop()
	}()
	if err := server.Serve(listener); err != nil {
		t.Fatal(err)
	}
}
