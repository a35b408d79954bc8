package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"

	"skidbladnir.dev/driver/testdriverpb"
	"skidbladnir.dev/skidbladnir"
	"skidbladnir.dev/skidbladnir/providers"
)

// run is one trace in its bubble: its subject, and what has been seen of it.
type run struct {
	began    time.Time
	policies []skidbladnir.Policy
	watched  []*watched
	target   skidbladnir.Policy
	facade   *skidbladnir.ResilienceFacade[result]
	monitor  *skidbladnir.ServiceHealthMonitor
	watching bool          // the monitor has been started
	over     chan struct{} // closed when the trace is over
	// listeners are those of the trace; none for one that nobody listens to.
	listeners []testdriverpb.Listener

	heard []hearable

	mu         sync.Mutex
	records    []*record
	callers    []*callContext
	made       map[error]bool // the errors that scripts made
	events     []*testdriverpb.Event
	running    uint32
	numbers    []float64
	ranOut     bool
	goroutines int // of the whole process, before
}

// replay runs one trace, and answers with what was seen.
func replay(trace *testdriverpb.Trace) *testdriverpb.ReplayResponse {
	freshBubble()
	r := &run{
		began:      time.Now(),
		over:       make(chan struct{}),
		made:       map[error]bool{},
		numbers:    trace.GetRandom(),
		listeners:  listenersOf(trace),
		goroutines: runtime.NumGoroutine(),
	}
	observation, err := r.replay(trace)
	r.end()
	if r.ranOut {
		err = unsupported("the trace ran out of random numbers")
	}
	response := &testdriverpb.ReplayResponse{TraceId: trace.GetId()}
	var reason unsupported
	switch faults := faultsOf(err); {
	case errors.As(err, &reason):
		response.Result = &testdriverpb.ReplayResponse_Unsupported{Unsupported: reason.Error()}
		return response
	case faults != nil:
		observation = &testdriverpb.Observation{Faults: faults}
	case err != nil:
		panic(err)
	}
	response.Result = &testdriverpb.ReplayResponse_Observation{Observation: observation}
	return response
}

func faultsOf(err error) []*testdriverpb.Fault {
	var option *skidbladnir.ConfigurationError
	var file *providers.FileError
	switch {
	case errors.As(err, &option):
		return []*testdriverpb.Fault{{Code: option.Code, Path: option.Path, Message: err.Error()}}
	case errors.Is(err, providers.ErrUnknownProvider):
		return []*testdriverpb.Fault{{Code: "unknown_provider", Message: err.Error()}}
	case errors.As(err, &file):
		var faults []*testdriverpb.Fault
		for _, each := range file.Faults {
			faults = append(faults, &testdriverpb.Fault{
				Code: each.Code, Path: each.Path, Line: uint32(each.Line), Message: each.String(),
			})
		}
		return faults
	default:
		return nil
	}
}

func (r *run) replay(trace *testdriverpb.Trace) (*testdriverpb.Observation, error) {
	if file := trace.GetSubject().GetProviderFile(); file != nil {
		effective, err := effectiveJSON(file)
		return &testdriverpb.Observation{EffectiveJson: &effective}, err
	}
	if err := r.build(trace.GetSubject()); err != nil {
		return nil, err
	}
	observation := &testdriverpb.Observation{}
	for _, step := range trace.GetSteps() {
		if err := r.step(step); err != nil {
			return nil, err
		}
		synctest.Wait()
		observation.Steps = append(observation.Steps, r.observe())
	}
	if r.running == 0 && !r.watching {
		observation.Leftovers = r.leftovers()
	}
	return observation, nil
}

func effectiveJSON(message *testdriverpb.ProviderFile) (string, error) {
	known, err := providerFile(message.File != nil, message.GetFile())
	if err != nil {
		return "", err
	}
	names := known.Names()
	if message.Provider != nil {
		names = []string{message.GetProvider()}
	}
	effective := map[string]any{}
	for _, name := range names {
		config, err := known.Provider(name)
		if err != nil {
			return "", err
		}
		effective[name] = config.ToMapping()
	}
	text, err := json.Marshal(effective)
	return string(text), err
}

func (r *run) build(subject *testdriverpb.Subject) (err error) {
	switch kind := subject.GetKind().(type) {
	case *testdriverpb.Subject_Composition:
		for _, message := range kind.Composition.GetPolicies() {
			policy, err := r.policy(message)
			if err != nil {
				return err
			}
			r.policies = append(r.policies, policy)
		}
		r.target = r.policies[0]
		if len(r.policies) > 1 {
			if r.target, err = skidbladnir.Compose(r.policies...); err != nil {
				return err
			}
		}
		r.heard = append(r.heard, r.target)
	case *testdriverpb.Subject_Facade:
		if r.facade, err = r.buildFacade(kind.Facade); err != nil {
			return err
		}
		r.heard = append(r.heard, r.facade)
		if breaker := r.facade.CircuitBreaker(); breaker != nil {
			r.policies = append(r.policies, breaker)
		}
		if bulkhead := r.facade.Bulkhead(); bulkhead != nil {
			r.policies = append(r.policies, bulkhead)
		}
		if cache := r.facade.Cache(); cache != nil {
			r.policies = append(r.policies, cache)
		}
	case *testdriverpb.Subject_Health:
		if r.monitor, err = r.buildMonitor(kind.Health); err != nil {
			return err
		}
		r.heard = append(r.heard, r.monitor)
	default:
		return unsupported("the kind of the subject is not known to this driver")
	}
	r.watch()
	for _, subject := range r.heard {
		for _, listener := range r.listeners {
			if err := r.hear(subject, listener); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) step(step *testdriverpb.Step) error {
	switch action := step.GetAction().(type) {
	case *testdriverpb.Step_Call:
		r.call(action.Call)
	case *testdriverpb.Step_Cancel:
		for _, rec := range r.records {
			if rec.id == action.Cancel {
				rec.cancel()
			}
		}
	case *testdriverpb.Step_AdvanceMs:
		time.Sleep(ms(action.AdvanceMs))
	case *testdriverpb.Step_Invalidate:
		if r.facade != nil {
			r.facade.InvalidateCache(action.Invalidate)
			return nil
		}
		for _, policy := range r.policies {
			if cache, ok := policy.(*skidbladnir.Cache[result]); ok {
				cache.Invalidate(action.Invalidate)
			}
		}
	case *testdriverpb.Step_Clear:
		return on(r, action.Clear, (*skidbladnir.Cache[result]).Clear)
	case *testdriverpb.Step_Close:
		if r.facade != nil {
			r.facade.Close()
			return nil
		}
		return on(r, action.Close, (*skidbladnir.Cache[result]).Close)
	case *testdriverpb.Step_ForceOpen:
		return on(r, action.ForceOpen, (*skidbladnir.CircuitBreaker).ForceOpen)
	case *testdriverpb.Step_Disable:
		return on(r, action.Disable, (*skidbladnir.CircuitBreaker).Disable)
	case *testdriverpb.Step_Reset_:
		return on(r, action.Reset_, (*skidbladnir.CircuitBreaker).Reset)
	case *testdriverpb.Step_CheckHealth:
		go r.monitor.CheckAll(context.Background()) // ends with the round, or with stop
	case *testdriverpb.Step_Start:
		r.monitor.Start()
		r.watching = true
	case *testdriverpb.Step_Stop:
		r.monitor.Stop()
		r.watching = false
	default:
		return unsupported("the action is not known to this driver")
	}
	return nil
}

// on does something with the policy that a step is for.
func on[P skidbladnir.Policy](r *run, target *testdriverpb.Target, do func(P)) error {
	for _, policy := range r.policies {
		if meant, ok := policy.(P); ok && (target.Policy == nil || target.GetPolicy() == policy.Name()) {
			do(meant)
			return nil
		}
	}
	return unsupported("there is no such policy in the subject")
}

func (r *run) call(call *testdriverpb.Call) {
	ctx, cancel := context.WithCancel(context.Background())
	caller := &callContext{Context: ctx}
	rec := &record{id: call.GetId(), cancel: cancel}
	r.records, r.callers = append(r.records, rec), append(r.callers, caller)
	if call.GetCancelled() {
		cancel()
	}
	operation := r.operation(rec, call.GetOp())
	go func() {
		value, err := r.execute(caller, call, operation)
		r.mu.Lock()
		defer r.mu.Unlock()
		rec.ended, rec.value, rec.err = ptr(r.now()), value, err
	}()
}

func (r *run) execute(
	ctx context.Context, call *testdriverpb.Call, operation skidbladnir.Operation[result],
) (result, error) {
	key := skidbladnir.NoKey
	if call.Key != nil {
		key = call.GetKey()
	}
	switch {
	case r.facade == nil:
		if call.Key != nil {
			ctx = skidbladnir.WithKey(ctx, key)
		}
		return skidbladnir.Execute(ctx, r.target, operation)
	case call.GetFallback() != nil:
		return r.facade.ExecuteWithFallback(ctx, key, operation, r.handler(call.GetFallback()))
	default:
		return r.facade.Execute(ctx, key, operation)
	}
}

// random is what the trace says, in order.
func (r *run) random() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.numbers) == 0 {
		r.ranOut = true
		return 0
	}
	number := r.numbers[0]
	r.numbers = r.numbers[1:]
	return number
}

func (r *run) now() int64 { return time.Since(r.began).Milliseconds() }

// callContext is the context of a caller. It counts who listens to it: the standard library asks for AfterFunc where it
// does not find a context of its own, which Value hides.
type callContext struct {
	context.Context
	listeners atomic.Int32
}

func (c *callContext) Value(any) any { return nil }

func (c *callContext) AfterFunc(f func()) (stop func() bool) {
	c.listeners.Add(1)
	halt := context.AfterFunc(c.Context, func() {
		c.listeners.Add(-1)
		f()
	})
	return func() bool {
		stopped := halt()
		if stopped {
			c.listeners.Add(-1)
		}
		return stopped
	}
}

// leftovers are the goroutines and the listeners on callers' contexts that there are beyond those of the driver itself.
func (r *run) leftovers() uint32 {
	count := 0
	if runtime.NumGoroutine() != r.goroutines { // those of gRPC come and go too
		count = bubbleGoroutines() - freshBubble()
	}
	for _, caller := range r.callers {
		count += int(caller.listeners.Load())
	}
	return uint32(count)
}

// freshBubble is how many goroutines a bubble begins with.
var freshBubble = sync.OnceValue(bubbleGoroutines)

// bubbleGoroutines counts those of this bubble, as the runtime names it at the head of each goroutine's stack.
func bubbleGoroutines() int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	head, _, _ := strings.Cut(string(stacks[:min(len(stacks), 200)]), "]:\n")
	bubble := head[strings.LastIndex(head, "synctest bubble"):]
	return bytes.Count(stacks, []byte(bubble+"]:\n"))
}

// end lets everything in the bubble come to its end.
func (r *run) end() {
	close(r.over)
	for _, rec := range r.records {
		rec.cancel()
	}
	for _, policy := range r.policies {
		if cache, ok := policy.(*skidbladnir.Cache[result]); ok {
			cache.Close()
		}
	}
	if r.monitor != nil {
		r.monitor.Stop()
	}
	synctest.Wait()
}
