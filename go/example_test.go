package skidbladnir_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"skidbladnir.dev/skidbladnir"
)

// Everything around one dependency, in the proven order.
func Example() {
	facade, err := skidbladnir.NewResilienceFacade[string](skidbladnir.FacadeOptions{
		Name: "zephyr",
		Retry: skidbladnir.RetryOptions{
			MaxRetries:   skidbladnir.Set(2),
			InitialDelay: skidbladnir.Set(10 * time.Millisecond),
		},
		Listeners: []skidbladnir.Listener{func(event skidbladnir.Event) {
			if event.Type == skidbladnir.EventRetryScheduled {
				fmt.Printf("%s: attempt %d failed: %v\n", event.Policy, event.Attempt, event.Err)
			}
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer facade.Close()

	attempts := 0
	project, err := facade.Execute(context.Background(), "project/7", func(context.Context) (string, error) {
		if attempts++; attempts == 1 {
			return "", errors.New("connection reset")
		}
		return "Ask and Embla", nil
	})
	fmt.Println(project, err)
	// Output:
	// zephyr: attempt 1 failed: connection reset
	// Ask and Embla <nil>
}

// Policies compose in any order, the first named outermost.
func ExampleCompose() {
	breaker, err := skidbladnir.NewCircuitBreaker(skidbladnir.CircuitBreakerOptions{
		FailureThreshold: skidbladnir.Set(1),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fallback, err := skidbladnir.NewFallback(skidbladnir.FallbackOptions[string]{
		Handler: func(_ context.Context, err error) (string, error) {
			if errors.Is(err, skidbladnir.ErrCircuitOpen) {
				return "not even tried", nil
			}
			return "tried in vain", nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	policy, err := skidbladnir.Compose(fallback, breaker)
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		answer, _ := skidbladnir.Execute(context.Background(), policy, func(context.Context) (string, error) {
			return "", errors.New("unavailable")
		})
		fmt.Println(answer)
	}
	// Output:
	// tried in vain
	// not even tried
}
