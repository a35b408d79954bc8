import { describe, expect, it } from 'vitest';

import { CircuitBreaker, CircuitOpenError, type CircuitBreakerOptions } from '../src/index.js';
import { VirtualClock } from '../src/testing.js';
import { Controlled, Events, watch } from './support/calls.js';

const boom = new Error('boom');

function setUp(options: CircuitBreakerOptions = {}) {
  const threshold = options.window?.kind === 'count' || options.window?.kind === 'time' ? {} : { failureThreshold: 1 };
  const clock = new VirtualClock();
  const events = new Events();
  const breaker = new CircuitBreaker({ ...threshold, resetTimeoutMs: 1000, clock, listeners: [events.listen], ...options });
  return { clock, events, breaker };
}

function fail(): never {
  throw boom;
}

describe('a closed circuit', () => {
  it('passes results and errors through, unchanged', async () => {
    const { breaker } = setUp({ failureThreshold: 5 });
    await expect(breaker.execute(() => 'x')).resolves.toBe('x');
    await expect(breaker.execute(fail)).rejects.toBe(boom);
  });

  it('forgets failures by a success, unless it counts them all', async () => {
    for (const [kind, state] of [['consecutive', 'CLOSED'], ['cumulative', 'OPEN']] as const) {
      const { breaker } = setUp({ failureThreshold: 2, window: { kind } });
      await expect(breaker.execute(fail)).rejects.toBe(boom);
      await breaker.execute(() => 'x');
      await expect(breaker.execute(fail)).rejects.toBe(boom);
      expect(breaker.state).toBe(state);
    }
  });

  it('opens by the rate of the last calls, also at a success', async () => {
    const { breaker, events } = setUp({ window: { kind: 'count', size: 4, minimumCalls: 4 } });
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    await breaker.execute(() => 'x');
    expect(breaker.state).toBe('CLOSED');
    await breaker.execute(() => 'x');
    expect(breaker.state).toBe('OPEN');
    expect(events.of('circuit_state_changed')).toMatchObject([{ reason: 'failure_rate' }]);
  });

  it('lets outcomes of a time window go with their bucket', async () => {
    const { breaker, clock } = setUp({
      window: { kind: 'time', durationMs: 1000, buckets: 10, minimumCalls: 3, failureRate: 1 },
    });
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    await clock.advance(500);
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    await clock.advance(500);
    expect(breaker.stats()).toMatchObject({ failureCount: 1, successCount: 0 });
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    expect(breaker.state).toBe('CLOSED');
  });
});

describe('an open circuit', () => {
  it('says when to come back, and takes its first call then as a probe', async () => {
    const { breaker, clock, events } = setUp();
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    await clock.advance(400);
    const rejection = await breaker.execute(() => 'x').catch((error: unknown) => error);
    expect(rejection).toBeInstanceOf(CircuitOpenError);
    expect(rejection).toMatchObject({
      code: 'circuit_open',
      policy: 'circuit_breaker',
      retryAfterMs: 600,
      message: 'Circuit breaker is open: circuit_breaker, retry after 600 ms',
    });
    await clock.advance(600);
    expect(breaker.stats()).toMatchObject({ state: 'OPEN', retryAfterMs: 0 });
    events.all.length = 0;
    await breaker.execute(() => 'x');
    expect(events.types).toEqual(['circuit_state_changed', 'call_admitted', 'call_succeeded']);
  });

  it('is not lengthened by a failure of a call from before', async () => {
    const { breaker, clock } = setUp();
    const slow = new Controlled();
    const pending = breaker.execute(slow.operation);
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    await clock.advance(700);
    slow.reject(boom);
    await expect(pending).rejects.toBe(boom);
    expect(breaker.stats()).toMatchObject({ state: 'OPEN', retryAfterMs: 300, failures: 2, generation: 1 });
  });

  it('is not closed by a success of a call from before (opossum #381)', async () => {
    const { breaker } = setUp();
    const slow = new Controlled();
    const pending = breaker.execute(slow.operation);
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    slow.resolve('x');
    await pending;
    expect(breaker.state).toBe('OPEN');
  });
});

describe('a half-open circuit', () => {
  it('lets a few probes through, not the load (opossum #119)', async () => {
    const { breaker, clock } = setUp({ halfOpenSuccessThreshold: 2 });
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    await clock.advance(1000);
    const probe = new Controlled();
    const calls = Array.from({ length: 10 }, () => watch(breaker.execute(probe.operation)));
    await clock.settle();
    expect(probe.starts).toBe(2);
    expect(calls.filter(({ status }) => status === 'rejected')).toHaveLength(8);
    probe.resolve('x');
    probe.resolve('x');
    await clock.settle();
    expect(breaker.state).toBe('CLOSED');
  });

  it('lets no more probes run at once than it may', async () => {
    const { breaker, clock } = setUp({ halfOpenSuccessThreshold: 3, halfOpenMaxConcurrent: 1 });
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    await clock.advance(1000);
    const probe = new Controlled();
    watch(breaker.execute(probe.operation));
    await expect(breaker.execute(() => 'x')).rejects.toMatchObject({ code: 'circuit_open' });
    expect(breaker.stats().runningProbes).toBe(1);
  });

  it('never takes a probe for hung where the reset timeout is 0', async () => {
    const { breaker, clock } = setUp({ resetTimeoutMs: 0, halfOpenSuccessThreshold: 1 });
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    watch(breaker.execute(new Controlled().operation));
    await clock.advance(60_000);
    await expect(breaker.execute(() => 'x')).rejects.toMatchObject({ code: 'circuit_open' });
    expect(breaker.stats().runningProbes).toBe(1);
  });

  it('is not stuck by a probe that hangs', async () => {
    const { breaker, clock } = setUp({ halfOpenSuccessThreshold: 1 });
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    await clock.advance(1000);
    const hung = new Controlled();
    watch(breaker.execute(hung.operation));
    await clock.advance(999);
    await expect(breaker.execute(() => 'x')).rejects.toMatchObject({ message: 'Circuit breaker is open: circuit_breaker, probing' });
    await clock.advance(1);
    await breaker.execute(() => 'x');
    expect(breaker.state).toBe('CLOSED');
  });

  it('gets the place back of an ignored and of a cancelled probe (resilience4j #544, rezilience 521)', async () => {
    const { breaker, clock } = setUp({ halfOpenSuccessThreshold: 1, ignore: (outcome) => !outcome.ok && outcome.error !== boom });
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    await clock.advance(1000);
    const ignored = new Error('not its fault');
    await expect(breaker.execute(() => Promise.reject(ignored))).rejects.toBe(ignored);
    const caller = new AbortController();
    const operation = new Controlled();
    const probe = breaker.execute(operation.operation, { signal: caller.signal });
    caller.abort();
    operation.reject(caller.signal.reason);
    await expect(probe).rejects.toBe(caller.signal.reason);
    expect(breaker.stats()).toMatchObject({ state: 'HALF_OPEN', runningProbes: 0, ignored: 1, cancelled: 1 });
  });
});

describe('a circuit under manual override', () => {
  it('rejects, admits and closes as told', async () => {
    const { breaker } = setUp();
    breaker.forceOpen();
    await expect(breaker.execute(() => 'x')).rejects.toMatchObject({ message: 'Circuit breaker is open: circuit_breaker, forced open' });
    breaker.disable();
    await expect(breaker.execute(fail)).rejects.toBe(boom);
    expect(breaker.stats()).toMatchObject({ state: 'DISABLED', failureCount: 0, failures: 1 });
    breaker.reset();
    expect(breaker.stats()).toMatchObject({ state: 'CLOSED', generation: 3, failures: 1 });
  });
});

describe('the predicates of a breaker', () => {
  it('see results too', async () => {
    const { breaker } = setUp({ isFailure: (outcome) => !outcome.ok || outcome.value === 'bad' });
    await expect(breaker.execute(() => 'bad')).resolves.toBe('bad');
    expect(breaker.state).toBe('OPEN');
  });

  it('leave a result that none of them names a success', async () => {
    const { breaker } = setUp({ ignore: (outcome) => outcome.ok && outcome.value === 'nothing' });
    await breaker.execute(() => 'nothing');
    await breaker.execute(() => 'x');
    expect(breaker.stats()).toMatchObject({ state: 'CLOSED', ignored: 1, successes: 1, failures: 0 });
  });

  it('that throw make the outcome a failure, and the caller hears of it', async () => {
    const broken = new TypeError('a predicate with a fault');
    const { breaker } = setUp({
      ignore: () => {
        throw broken;
      },
    });
    await expect(breaker.execute(() => 'x')).rejects.toBe(broken);
    expect(breaker.stats()).toMatchObject({ failures: 1, calls: 1 });
  });
});
