package main

import (
	"context"
	"sync"
	"time"
)

// caller is the context of one call: one that can be cancelled, and that knows how many listen for it (TO-7).
type caller struct {
	done chan struct{}

	mu        sync.Mutex
	err       error
	listeners map[*func()]struct{}
}

func newCaller() *caller {
	return &caller{done: make(chan struct{}), listeners: map[*func()]struct{}{}}
}

func (c *caller) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c *caller) Done() <-chan struct{}       { return c.done }
func (c *caller) Value(any) any               { return nil }

func (c *caller) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// AfterFunc is how the context package listens to a context that is not its own.
func (c *caller) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	listener := &f
	c.listeners[listener] = struct{}{}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, listening := c.listeners[listener]
		delete(c.listeners, listener)
		return listening
	}
}

func (c *caller) cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = context.Canceled
	close(c.done)
	for listener := range c.listeners {
		go (*listener)()
	}
	clear(c.listeners)
}

func (c *caller) listening() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.listeners)
}
