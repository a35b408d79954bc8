package main

// The generators are pinned as tools in go.mod. protoc is that of the Python package grpcio-tools.
//
//go:generate sh -c "mkdir -p ../../build/go-tools && go build -o ../../build/go-tools tool && PATH=\"$(cd ../../build/go-tools && pwd):$PATH\" ../../.venv/bin/python -m grpc_tools.protoc -I ../../proto --go_out=. --go_opt=module=skidbladnir.dev/driver --go-grpc_out=. --go-grpc_opt=module=skidbladnir.dev/driver skidbladnir/conformance/v1/test_driver.proto"
