package skidbladnir_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	sk "skidbladnir.dev/skidbladnir"
)

func monitorOf(options sk.HealthOptions, check sk.Check) *sk.ServiceHealthMonitor {
	options.Providers = []string{"zephyr"}
	options.Checks = map[string]sk.Check{"zephyr": check}
	return made(sk.NewServiceHealthMonitor(options))
}

func wantHealth(t *testing.T, m *sk.ServiceHealthMonitor, status sk.HealthStatus, took time.Duration, rate float64) {
	t.Helper()
	health, _ := m.Health("zephyr")
	wantEqual(t, "the status", health.Status, status)
	wantEqual(t, "the response time", health.ResponseTime, took)
	wantEqual(t, "the failure rate", health.FailureRate, rate)
}

func TestMonitorFollowsItsChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen recorder
		answers := []struct {
			takes   time.Duration
			healthy bool
			err     error
		}{{0, true, nil}, {time.Second, false, nil}, {0, true, errBoom}, {6 * time.Second, true, nil}, {0, true, nil}}
		m := monitorOf(sk.HealthOptions{Listeners: []sk.Listener{seen.listen}}, func(context.Context) (bool, error) {
			answer := answers[0]
			answers = answers[1:]
			time.Sleep(answer.takes)
			return answer.healthy, answer.err
		})
		wantHealth(t, m, sk.HealthUp, 0, 0)
		for _, want := range []struct {
			status sk.HealthStatus
			took   time.Duration
			rate   float64
		}{
			{sk.HealthUp, 0, 0},
			{sk.HealthDown, time.Second, 0.1},
			{sk.HealthDown, 0, 0.22},
			{sk.HealthDegraded, 6 * time.Second, 0.17600000000000002},
			{sk.HealthUp, 0, 0.1408},
		} {
			if err := m.CheckAll(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantHealth(t, m, want.status, want.took, want.rate)
		}
		wantTypes(t, &seen, sk.EventHealthChanged, sk.EventHealthChanged, sk.EventHealthChanged)
		wantEqual(t, "is healthy", m.IsHealthy("zephyr"), true)
		wantEqual(t, "is degraded", m.IsDegraded("zephyr"), false)
	})
}

func TestCheckThatHangsIsDownAfterItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := monitorOf(sk.HealthOptions{CheckTimeout: sk.Set(time.Second)}, func(context.Context) (bool, error) {
			time.Sleep(time.Minute) // deaf to its context
			return true, nil
		})
		_ = m.CheckAll(t.Context())
		wantHealth(t, m, sk.HealthDown, time.Second, 0.1)
		time.Sleep(time.Hour)
		wantHealth(t, m, sk.HealthDown, time.Second, 0.1)
	})
}

func TestOpenCircuitIsDegraded(t *testing.T) {
	breaker := made(sk.NewCircuitBreaker(sk.CircuitBreakerOptions{}))
	m := monitorOf(sk.HealthOptions{Circuits: map[string]sk.Circuit{"zephyr": breaker}},
		func(context.Context) (bool, error) { return true, nil })
	breaker.ForceOpen()
	_ = m.CheckAll(t.Context())
	health, _ := m.Health("zephyr")
	wantEqual(t, "the status", health.Status, sk.HealthDegraded)
	wantEqual(t, "the circuit", health.CircuitState, sk.StateForcedOpen)
}

func TestRoundsComeAtTheirIntervalAndNeverTwoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Duration
		began := time.Now()
		m := monitorOf(sk.HealthOptions{CheckInterval: sk.Set(10 * time.Second)}, func(ctx context.Context) (bool, error) {
			starts = append(starts, time.Since(began))
			if len(starts) == 2 {
				_, err := after(9*time.Second+500*time.Millisecond, "", nil)(ctx)
				return true, err
			}
			return true, nil
		})
		m.Start()
		m.Start()
		time.Sleep(11 * time.Second)
		if err := m.CheckAll(t.Context()); err != nil { // joins the round of 10 s, which ends at 19.5 s
			t.Error(err)
		}
		wantEqual(t, "the end of the joined round", time.Since(began), 19500*time.Millisecond)
		time.Sleep(time.Second)
		m.Stop()
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(starts) != 3 || starts[1] != 10*time.Second || starts[2] != 20*time.Second {
			t.Errorf("the rounds began at %v", starts)
		}
	})
}

func TestStopEndsTheRoundUnderWayAndStartMayFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks := 0
		m := monitorOf(sk.HealthOptions{}, func(ctx context.Context) (bool, error) {
			checks++
			_, err := after(time.Second, "", nil)(ctx)
			return false, err
		})
		m.Start()
		synctest.Wait()
		joined := make(chan error)
		go func() { joined <- m.CheckAll(t.Context()) }()
		synctest.Wait()
		m.Stop()
		wantError(t, <-joined, sk.ErrCancelled)
		time.Sleep(time.Minute)
		wantHealth(t, m, sk.HealthUp, 0, 0)
		m.Start()
		time.Sleep(2 * time.Second)
		wantHealth(t, m, sk.HealthDown, time.Second, 0.1)
		m.Stop()
		synctest.Wait()
		wantEqual(t, "checks", checks, 2)
	})
}

func TestRoundOutlivesTheCallerThatAskedForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := monitorOf(sk.HealthOptions{}, func(ctx context.Context) (bool, error) {
			_, err := after(time.Second, "", nil)(ctx)
			return false, err
		})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		wantError(t, m.CheckAll(ctx), context.DeadlineExceeded)
		time.Sleep(time.Second)
		wantHealth(t, m, sk.HealthDown, time.Second, 0.1)
	})
}

func TestMonitorRefusesWhatDoesNotFit(t *testing.T) {
	check := func(context.Context) (bool, error) { return true, nil }
	checks := map[string]sk.Check{"a": check}
	a := []string{"a"}
	for _, test := range []struct {
		options    sk.HealthOptions
		code, path string
	}{
		{sk.HealthOptions{}, sk.CodeRange, "health.providers"},
		{sk.HealthOptions{Providers: []string{"a", "a"}, Checks: checks}, sk.CodeConflict, "health.providers"},
		{sk.HealthOptions{Providers: []string{"a", "b"}, Checks: checks}, sk.CodeRequired, "health.checks.b"},
		{sk.HealthOptions{Providers: a, Checks: map[string]sk.Check{"a": check, "b": check}}, sk.CodeUnknownKey, "health.checks.b"},
		{sk.HealthOptions{Providers: a, Checks: checks, Circuits: map[string]sk.Circuit{"b": nil}}, sk.CodeUnknownKey, "health.circuits.b"},
		{sk.HealthOptions{Providers: a, Checks: checks, CheckInterval: sk.Set(time.Duration(0))}, sk.CodeRange, "health.check_interval_ms"},
		{sk.HealthOptions{Providers: a, Checks: checks, CheckTimeout: sk.Set(time.Duration(0))}, sk.CodeRange, "health.check_timeout_ms"},
		{sk.HealthOptions{Providers: a, Checks: checks, DegradedFailureRate: sk.Set(1.1)}, sk.CodeRange, "health.degraded_failure_rate"},
	} {
		_, err := sk.NewServiceHealthMonitor(test.options)
		wantConfigurationError(t, err, test.code, test.path)
	}
}
