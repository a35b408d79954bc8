// Command quickstart calls a function that fails at first, through a facade.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"skidbladnir.dev/skidbladnir"
)

func main() {
	facade, err := skidbladnir.NewResilienceFacade[string](skidbladnir.FacadeOptions{
		Name: "users",
		Retry: skidbladnir.RetryOptions{
			MaxRetries:      skidbladnir.Set(2),
			InitialDelay:    skidbladnir.Set(10 * time.Millisecond),
			RetryableErrors: []string{"ECONNRESET", "/^busy/"},
		},
		Timeout:   skidbladnir.TimeoutOptions{Timeout: skidbladnir.Set(5 * time.Second)},
		Listeners: []skidbladnir.Listener{func(event skidbladnir.Event) { fmt.Println(event.Type) }},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer facade.Close()

	busy := true
	user, err := facade.Execute(context.Background(), "user-1", func(context.Context) (string, error) {
		if busy {
			busy = false
			return "", errors.New("busy")
		}
		return "Ada", nil
	})
	fmt.Println(user, err)
}
