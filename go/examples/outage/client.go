package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// statusError is an answer that is no success. A retry finds its status by StatusCode (RT-7).
type statusError struct {
	code int
}

func (e *statusError) Error() string   { return fmt.Sprintf("the server answered %d", e.code) }
func (e *statusError) StatusCode() int { return e.code }

// get fetches a text. It reads the body before it returns: a timeout around it covers that too.
func get(ctx context.Context, client *http.Client, url string) (text string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() {
		if closing := response.Body.Close(); err == nil {
			err = closing
		}
	}()
	if response.StatusCode != http.StatusOK {
		return "", &statusError{response.StatusCode}
	}
	body, err := io.ReadAll(response.Body)
	return string(body), err
}
