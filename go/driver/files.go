package main

import (
	"errors"

	"skidbladnir.dev/driver/testdriverpb"
	"skidbladnir.dev/skidbladnir"
)

// faultsOf are the faults of a configuration, where an error says so.
func faultsOf(err error) []*testdriverpb.Fault {
	var option *skidbladnir.ConfigurationError
	if errors.As(err, &option) {
		return []*testdriverpb.Fault{{Code: option.Code, Path: option.Path, Message: option.Error()}}
	}
	return nil
}

func providerFacade(m *testdriverpb.Facade) (*skidbladnir.ResilienceFacade[any], error) {
	return nil, unsupported("providers")
}

func effective(m *testdriverpb.ProviderFile) (*testdriverpb.Observation, error) {
	return nil, unsupported("providers")
}
