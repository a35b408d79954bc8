package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"skidbladnir.dev/driver/testdriverpb"
	"skidbladnir.dev/skidbladnir"
)

// replay performs a trace in a bubble of virtual time.
func replay(t *testing.T, trace *testdriverpb.Trace) (observation *testdriverpb.Observation, err error) {
	if file := trace.GetSubject().GetProviderFile(); file != nil {
		return effective(file)
	}
	defer func() {
		// A bubble says so when goroutines are left that nothing can wake: they have been counted as leftovers.
		if value := recover(); value != nil && !strings.HasPrefix(fmt.Sprint(value), "deadlock:") {
			panic(value)
		}
	}()
	synctest.Test(t, func(*testing.T) { observation, err = replayInBubble(trace) })
	return observation, err
}

func replayInBubble(trace *testdriverpb.Trace) (*testdriverpb.Observation, error) {
	before := goroutines()
	r, err := newRun(trace)
	if faults := faultsOf(err); faults != nil {
		return &testdriverpb.Observation{Faults: faults}, nil
	}
	if err != nil {
		return nil, err
	}
	defer r.end()
	observation := &testdriverpb.Observation{}
	for _, step := range trace.GetSteps() {
		if err := r.perform(step); err != nil {
			return nil, err
		}
		synctest.Wait()
		observation.Steps = append(observation.Steps, r.observe())
	}
	if !r.monitoring && r.operations.running == 0 {
		observation.Leftovers = uint32(goroutines() - before)
		for _, caller := range r.callers {
			observation.Leftovers += uint32(caller.listening())
		}
	}
	return observation, nil
}

// goroutines counts those of the bubble of the caller. Their traces are all that tells which these are.
func goroutines() int {
	own := make([]byte, 200)
	own = own[:runtime.Stack(own, false)]
	from := bytes.Index(own, []byte("synctest bubble"))
	bubble := own[from : from+bytes.IndexByte(own[from:], ']')+1]
	stacks := make([]byte, 1<<14)
	for {
		n := runtime.Stack(stacks, true)
		if n < len(stacks) {
			return bytes.Count(stacks[:n], bubble)
		}
		stacks = make([]byte, 2*len(stacks))
	}
}

// run is the subject of a trace, and what has been seen of it.
type run struct {
	operations *operations
	policies   []skidbladnir.Policy // those with statistics may be among them, in the order of the composition
	target     skidbladnir.Policy   // of a composition
	facade     *skidbladnir.ResilienceFacade[any]
	monitor    *skidbladnir.ServiceHealthMonitor
	monitoring bool
	records    []*record
	callers    map[string]*caller

	mu     sync.Mutex
	events []*testdriverpb.Event
}

func newRun(trace *testdriverpb.Trace) (*run, error) {
	r := &run{
		operations: &operations{began: time.Now(), quit: make(chan struct{})},
		callers:    map[string]*caller{},
	}
	var drawn int
	random := func() float64 {
		u := trace.Random[drawn]
		drawn++
		return u
	}
	var err error
	switch subject := trace.GetSubject().GetKind().(type) {
	case *testdriverpb.Subject_Composition:
		err = r.compose(subject.Composition, random)
	case *testdriverpb.Subject_Facade:
		if r.facade, err = facade(subject.Facade, random); err == nil {
			r.facade.AddListener(r.listen)
		}
	case *testdriverpb.Subject_Health:
		if r.monitor, r.policies, err = r.operations.health(subject.Health); err == nil {
			r.monitor.AddListener(r.listen)
			for _, circuit := range r.policies {
				circuit.AddListener(r.listen)
			}
		}
	default:
		err = unsupported(fmt.Sprintf("the kind of the subject is not known to this driver: %T", subject))
	}
	return r, err
}

func (r *run) compose(m *testdriverpb.Composition, random func() float64) error {
	for _, each := range m.Policies {
		policy, err := r.operations.policy(each, random)
		if err != nil {
			return err
		}
		r.policies = append(r.policies, policy)
	}
	composition, err := skidbladnir.Compose(r.policies...)
	if err != nil {
		return err
	}
	r.target = composition
	if len(r.policies) == 1 {
		r.target = r.policies[0]
	}
	r.target.AddListener(r.listen)
	return nil
}

func (r *run) perform(step *testdriverpb.Step) error {
	switch action := step.GetAction().(type) {
	case *testdriverpb.Step_Call:
		return r.call(action.Call)
	case *testdriverpb.Step_Cancel:
		r.callers[action.Cancel].cancel()
	case *testdriverpb.Step_AdvanceMs:
		time.Sleep(time.Duration(action.AdvanceMs) * time.Millisecond)
	case *testdriverpb.Step_Invalidate:
		for _, cache := range of[*skidbladnir.Cache[any]](r) {
			cache.Invalidate(action.Invalidate)
		}
	case *testdriverpb.Step_Clear:
		return with(r, action.Clear, (*skidbladnir.Cache[any]).Clear)
	case *testdriverpb.Step_Close:
		return with(r, action.Close, (*skidbladnir.Cache[any]).Close)
	case *testdriverpb.Step_ForceOpen:
		return with(r, action.ForceOpen, (*skidbladnir.CircuitBreaker).ForceOpen)
	case *testdriverpb.Step_Disable:
		return with(r, action.Disable, (*skidbladnir.CircuitBreaker).Disable)
	case *testdriverpb.Step_Reset_:
		return with(r, action.Reset_, (*skidbladnir.CircuitBreaker).Reset)
	case *testdriverpb.Step_CheckHealth:
		go r.checkHealth()
	case *testdriverpb.Step_Start:
		r.monitor.Start()
		r.monitoring = true
	case *testdriverpb.Step_Stop:
		r.monitor.Stop()
		r.monitoring = false
	default:
		return unsupported(fmt.Sprintf("the action is not known to this driver: %T", action))
	}
	return nil
}

// of are the policies of one pattern.
func of[P any](r *run) []P {
	var found []P
	for _, policy := range r.withStatistics() {
		if p, ok := policy.(P); ok {
			found = append(found, p)
		}
	}
	return found
}

// with does something to the policy meant.
func with[P skidbladnir.Policy](r *run, target *testdriverpb.Target, act func(P)) error {
	for _, policy := range of[P](r) {
		if target.Policy == nil || policy.Name() == target.GetPolicy() {
			act(policy)
			return nil
		}
	}
	return unsupported(fmt.Sprintf("there is no such policy in the subject: %q", target.GetPolicy()))
}

func (r *run) checkHealth() {
	if err := r.monitor.CheckAll(context.Background()); err != nil && !errors.Is(err, skidbladnir.ErrCancelled) {
		panic(err)
	}
}

// call begins a call, and does not wait for it.
func (r *run) call(m *testdriverpb.Call) error {
	for _, script := range append(m.Op, m.Fallback) {
		if err := errors.Join(checkError(script.GetError()), checkError(script.GetOnCancel().GetError())); err != nil {
			return err
		}
	}
	seen, caller := &record{id: m.Id}, newCaller()
	r.records = append(r.records, seen)
	r.callers[m.Id] = caller
	if m.Cancelled {
		caller.cancel()
	}
	go func() {
		result, err := r.execute(caller, m, r.operations.operation(seen, m.Op))
		r.operations.mu.Lock()
		defer r.operations.mu.Unlock()
		seen.result, seen.err, seen.ended = result, err, skidbladnir.Set(r.operations.now())
	}()
	return nil
}

func (r *run) execute(ctx context.Context, m *testdriverpb.Call, op skidbladnir.Operation[any]) (any, error) {
	if r.facade == nil {
		if m.Key != nil {
			ctx = skidbladnir.WithKey(ctx, m.GetKey())
		}
		return skidbladnir.Execute(ctx, r.target, op)
	}
	key := skidbladnir.NoKey
	if m.Key != nil {
		key = m.GetKey()
	}
	if m.Fallback == nil {
		return r.facade.Execute(ctx, key, op)
	}
	return r.facade.ExecuteWithFallback(ctx, key, op, r.operations.handler(m.Fallback))
}

// end lets everything end that still runs, so that the bubble can.
func (r *run) end() {
	close(r.operations.quit)
	for _, caller := range r.callers {
		caller.cancel()
	}
	for _, cache := range of[*skidbladnir.Cache[any]](r) {
		cache.Close()
	}
	if r.monitor != nil {
		r.monitor.Stop()
	}
	synctest.Wait()
}
