package skidbladnir

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// HealthStatus is the status of a provider.
type HealthStatus string

// The statuses.
const (
	HealthUp       HealthStatus = "UP"
	HealthDegraded HealthStatus = "DEGRADED"
	HealthDown     HealthStatus = "DOWN"
)

// Check asks a provider whether it is healthy; an error means that it is not. It is expected to end soon after its
// context is done.
type Check func(ctx context.Context) (healthy bool, err error)

// Circuit is something with a circuit's state: a [CircuitBreaker] or a [ResilienceFacade].
type Circuit interface {
	State() CircuitState
}

// HealthOptions are the options of a [ServiceHealthMonitor]. Providers and Checks are required. See [Set].
type HealthOptions struct {
	// Providers are the names of the providers, each once.
	Providers []string
	// Checks has a check for each provider.
	Checks map[string]Check
	// Circuits has the circuits of some providers.
	Circuits map[string]Circuit
	// CheckInterval is the time between rounds, at least 1 ms; default 60 s.
	CheckInterval *time.Duration
	// CheckTimeout is how long a check may take, at least 1 ms; default 10 s.
	CheckTimeout *time.Duration
	// DegradedResponseTime is the response time above which a healthy provider is DEGRADED, at least 0; default 5 s.
	DegradedResponseTime *time.Duration
	// DegradedFailureRate is the failure rate above which a healthy provider is DEGRADED, 0 to 1; default 0.3.
	DegradedFailureRate *float64
	// Listeners to begin with.
	Listeners []Listener
}

// ProviderHealth is what the last check saw of a provider.
type ProviderHealth struct {
	Status       HealthStatus
	ResponseTime time.Duration
	CircuitState CircuitState
	// FailureRate grows with every check that is not healthy, and shrinks with every one that is (HM-3).
	FailureRate float64
	// LastChecked is the wall time of the last check; zero before the first.
	LastChecked time.Time
}

// ServiceHealthMonitor checks providers in rounds (HM). It may be shared by goroutines.
type ServiceHealthMonitor struct {
	providers            []string
	checks               map[string]Check
	circuits             map[string]Circuit
	interval             time.Duration
	timeout              *Timeout
	degradedResponseTime time.Duration
	degradedFailureRate  float64
	listeners            listeners

	mu     sync.Mutex
	health map[string]ProviderHealth
	ticks  context.CancelFunc // nil when not started
	round  *round             // the one under way, or nil
}

// round is one check of all providers.
type round struct {
	ctx            context.Context
	cancel         context.CancelFunc
	ended, stopped chan struct{}
}

// NewServiceHealthMonitor makes a monitor that has not been started, or returns a [ConfigurationError].
func NewServiceHealthMonitor(options HealthOptions) (*ServiceHealthMonitor, error) {
	c := &checker{}
	checkNames(c, options)
	checkTimeout := c.duration("health.check_timeout_ms", or(options.CheckTimeout, 10*time.Second), 1)
	m := &ServiceHealthMonitor{
		providers: slices.Clone(options.Providers),
		checks:    options.Checks,
		circuits:  options.Circuits,
		interval:  c.duration("health.check_interval_ms", or(options.CheckInterval, time.Minute), 1),
		degradedResponseTime: c.duration(
			"health.degraded_response_time_ms", or(options.DegradedResponseTime, 5*time.Second), 0),
		degradedFailureRate: c.number("health.degraded_failure_rate", or(options.DegradedFailureRate, 0.3), 0, 1),
		health:              map[string]ProviderHealth{},
	}
	if c.err != nil {
		return nil, c.err
	}
	timeout, err := NewTimeout(TimeoutOptions{Name: "health", Timeout: &checkTimeout, Mode: ModeAbandon})
	if err != nil {
		return nil, err
	}
	m.timeout = timeout
	for _, provider := range m.providers {
		m.health[provider] = ProviderHealth{Status: HealthUp, CircuitState: m.circuitState(provider)}
	}
	for _, listener := range options.Listeners {
		m.listeners.add(listener)
	}
	return m, nil
}

// checkNames is HM-10.
func checkNames(c *checker, options HealthOptions) {
	if len(options.Providers) == 0 {
		c.fail(CodeRange, "health.providers", "nothing", "at least one")
	}
	for i, provider := range options.Providers {
		if slices.Contains(options.Providers[:i], provider) {
			c.fail(CodeConflict, "health.providers", provider, "each name once")
		}
		if options.Checks[provider] == nil {
			c.fail(CodeRequired, "health.checks."+provider, nil, "a check for each provider")
		}
	}
	known := strings.Join(options.Providers, ", ")
	for _, provider := range sortedKeys(options.Checks) {
		if !slices.Contains(options.Providers, provider) {
			c.fail(CodeUnknownKey, "health.checks."+provider, provider, known)
		}
	}
	for _, provider := range sortedKeys(options.Circuits) {
		if !slices.Contains(options.Providers, provider) {
			c.fail(CodeUnknownKey, "health.circuits."+provider, provider, known)
		}
	}
}

// Start runs a round at once, and then one each CheckInterval counted from now, until Stop. Started already, it does
// nothing (HM-6).
func (m *ServiceHealthMonitor) Start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ticks != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.ticks = cancel
	m.beginRound()
	go m.tick(ctx, time.NewTicker(m.interval))
}

func (m *ServiceHealthMonitor) tick(ctx context.Context, ticker *time.Ticker) {
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		m.mu.Lock()
		if ctx.Err() == nil {
			m.beginRound()
		}
		m.mu.Unlock()
	}
}

// Stop ends the ticks and the round under way, whose unfinished checks change nothing. It does not wait for them (HM-8).
func (m *ServiceHealthMonitor) Stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ticks != nil {
		m.ticks()
		m.ticks = nil
	}
	if m.round != nil {
		close(m.round.stopped)
		m.round.cancel()
		m.round = nil
	}
}

// CheckAll runs a round, or joins the one under way, and waits for its end (HM-7). It returns a [CancelledError] when ctx
// is done before that, which the round survives, or when Stop ends the round.
func (m *ServiceHealthMonitor) CheckAll(ctx context.Context) error {
	if ctx.Err() != nil {
		return newCancelledError(ctx, m.timeout.name)
	}
	m.mu.Lock()
	r := m.beginRound()
	m.mu.Unlock()
	select {
	case <-r.ended:
		return nil
	case <-r.stopped:
		return &CancelledError{policy: m.timeout.name, cause: context.Canceled}
	case <-ctx.Done():
		return newCancelledError(ctx, m.timeout.name)
	}
}

// beginRound begins a round, unless one is under way, and returns it. It is called under the lock.
func (m *ServiceHealthMonitor) beginRound() *round {
	if m.round != nil {
		return m.round
	}
	r := &round{ended: make(chan struct{}), stopped: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	m.round = r
	go func() {
		var checks sync.WaitGroup
		for _, provider := range m.providers {
			checks.Go(func() { m.check(r, provider) })
		}
		checks.Wait()
		m.endRound(r)
	}()
	return r
}

func (m *ServiceHealthMonitor) endRound(r *round) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.round != r {
		return // stopped
	}
	m.round = nil
	close(r.ended)
	r.cancel()
}

// check is that of one provider in one round. Whatever way the check ends, its end is recorded.
func (m *ServiceHealthMonitor) check(r *round, provider string) {
	began := time.Now()
	healthy := false
	defer func() { m.record(r, provider, healthy, min(time.Since(began), m.timeout.timeout)) }()
	answer, err := Execute(r.ctx, m.timeout, func(ctx context.Context) (bool, error) {
		return ask(ctx, provider, m.checks[provider])
	})
	healthy = answer && err == nil
}

// record keeps what a check saw, unless its round was stopped.
func (m *ServiceHealthMonitor) record(r *round, provider string, healthy bool, took time.Duration) {
	circuitState := m.circuitState(provider)
	m.mu.Lock()
	if m.round != r {
		m.mu.Unlock()
		return
	}
	before := m.health[provider]
	after := m.assess(before, healthy, took, circuitState)
	m.health[provider] = after
	m.mu.Unlock()
	if before.Status != after.Status && m.listeners.any() {
		m.listeners.emit(Event{
			Type: EventHealthChanged, Policy: m.timeout.name, Provider: provider,
			From: string(before.Status), To: string(after.Status),
		})
	}
}

// ask runs a check. One that panics is not healthy: there is no caller in whose goroutine the panic could go on.
func ask(ctx context.Context, provider string, check Check) (healthy bool, err error) {
	defer func() {
		if value := recover(); value != nil {
			slog.Error("skidbladnir: a health check panicked",
				"provider", provider, "panic", value, "stack", string(debug.Stack()))
			healthy, err = false, ErrPanicked
		}
	}()
	return check(ctx)
}

// assess is the health after a check (HM-3, HM-4). The explicit conversions keep the compiler from fusing operations.
func (m *ServiceHealthMonitor) assess(
	before ProviderHealth, healthy bool, took time.Duration, circuitState CircuitState,
) ProviderHealth {
	after := ProviderHealth{ResponseTime: took, CircuitState: circuitState, LastChecked: time.Now()}
	if healthy {
		after.FailureRate = float64(before.FailureRate * 0.8)
	} else {
		after.FailureRate = min(float64(before.FailureRate*1.2)+0.1, 1)
	}
	switch {
	case !healthy:
		after.Status = HealthDown
	case took > m.degradedResponseTime, after.FailureRate > m.degradedFailureRate, circuitState != StateClosed:
		after.Status = HealthDegraded
	default:
		after.Status = HealthUp
	}
	return after
}

func (m *ServiceHealthMonitor) circuitState(provider string) CircuitState {
	if circuit, ok := m.circuits[provider]; ok {
		return circuit.State()
	}
	return StateClosed
}

// Providers are the names of the providers, in their order.
func (m *ServiceHealthMonitor) Providers() []string { return slices.Clone(m.providers) }

// Health is what is known of a provider; ok is false for an unknown one.
func (m *ServiceHealthMonitor) Health(provider string) (health ProviderHealth, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	health, ok = m.health[provider]
	return health, ok
}

// IsHealthy tells whether a provider is UP.
func (m *ServiceHealthMonitor) IsHealthy(provider string) bool {
	health, _ := m.Health(provider)
	return health.Status == HealthUp
}

// IsDegraded tells whether a provider is DEGRADED.
func (m *ServiceHealthMonitor) IsDegraded(provider string) bool {
	health, _ := m.Health(provider)
	return health.Status == HealthDegraded
}

// AddListener adds a listener for health_changed, and returns what removes it again.
func (m *ServiceHealthMonitor) AddListener(listener Listener) (remove func()) {
	return m.listeners.add(listener)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
