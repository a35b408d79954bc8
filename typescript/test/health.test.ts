import { describe, expect, it } from 'vitest';

import { CircuitBreaker, ResilienceFacade, ServiceHealthMonitor, type ServiceHealthMonitorOptions } from '../src/index.js';
import { VirtualClock } from '../src/testing.js';
import { Controlled, Events, untilAborted } from './support/calls.js';

function setUp(options: Partial<ServiceHealthMonitorOptions> = {}) {
  const clock = new VirtualClock();
  const events = new Events();
  const checks = { a: () => true };
  const monitor = new ServiceHealthMonitor({ providers: Object.keys(options.checks ?? checks), checks, clock, listeners: [events.listen], ...options });
  return { clock, events, monitor };
}

describe('a health monitor', () => {
  it('takes each provider for healthy before its first check', () => {
    expect(setUp().monitor.providerHealth('a')).toEqual({ status: 'UP', responseTimeMs: 0, circuitState: 'CLOSED', failureRate: 0 });
  });

  it('checks side by side, and takes false, an error and silence for not healthy', async () => {
    const { clock, monitor, events } = setUp({
      checkTimeoutMs: 100,
      checks: { no: () => false, broken: () => { throw new Error('x'); }, silent: untilAborted, fine: () => Promise.resolve(true) },
    });
    const round = monitor.checkAll();
    await clock.advance(100);
    await round;
    expect([...monitor.allHealth()].map(([name, { status, responseTimeMs }]) => [name, status, responseTimeMs])).toEqual([
      ['no', 'DOWN', 0], ['broken', 'DOWN', 0], ['silent', 'DOWN', 100], ['fine', 'UP', 0],
    ]);
    expect(events.all.map(({ provider, from, to }) => `${provider ?? ''} ${from ?? ''} ${to ?? ''}`).sort()).toEqual(['broken UP DOWN', 'no UP DOWN', 'silent UP DOWN']);
    expect([monitor.isHealthy('fine'), monitor.isHealthy('no'), clock.armedTimers]).toEqual([true, false, 0]);
  });

  it('lets the failure rate rise and fall, and calls a provider degraded for it', async () => {
    let healthy = false;
    const { monitor } = setUp({ checks: { a: () => healthy } });
    for (let round = 0; round < 4; round++) await monitor.checkAll();
    expect(monitor.providerHealth('a')?.failureRate).toBe(((0.1 * 1.2 + 0.1) * 1.2 + 0.1) * 1.2 + 0.1);
    healthy = true;
    await monitor.checkAll();
    expect([monitor.isDegraded('a'), monitor.providerHealth('a')?.status]).toEqual([true, 'DEGRADED']);
  });

  it('calls a provider degraded for a slow answer, and for a circuit that is not closed', async () => {
    const clock = new VirtualClock();
    const breaker = new CircuitBreaker({ clock });
    const facade = new ResilienceFacade<never>({ clock });
    breaker.forceOpen();
    const slow = new Controlled<boolean>();
    const { monitor } = setUp({
      clock, degradedResponseTimeMs: 50, circuits: { circuit: breaker, facade }, checks: { slow: slow.operation, circuit: () => true, facade: () => true },
    });
    const round = monitor.checkAll();
    await clock.advance(51);
    slow.resolve(true);
    await round;
    expect([...monitor.allHealth().values()].map(({ status, circuitState }) => [status, circuitState])).toEqual([
      ['DEGRADED', 'CLOSED'], ['DEGRADED', 'FORCED_OPEN'], ['UP', 'CLOSED'],
    ]);
  });

  it('checks at once and then by its interval, one round at a time', async () => {
    const check = new Controlled<boolean>();
    const { clock, monitor } = setUp({ checkIntervalMs: 1000, checkTimeoutMs: 10_000, checks: { a: check.operation } });
    monitor.start();
    monitor.start();
    await clock.advance(2500);
    expect(check.starts).toBe(1);
    const joined = monitor.checkAll();
    check.resolve(true);
    await joined;
    await clock.advance(500);
    expect(check.starts).toBe(2);
    monitor.stop();
    check.resolve(false);
    await clock.advance(5000);
    expect([check.starts, clock.armedTimers]).toEqual([2, 0]);
    expect(monitor.isHealthy('a')).toBe(true);
    expect(check.signals[1]?.aborted).toBe(true);
    monitor.start();
    expect(check.starts).toBe(3);
    monitor.stop();
  });

  const healthy = (): boolean => true;
  it.each<[string, string, ServiceHealthMonitorOptions]>([
    ['health.providers', 'range', { providers: [], checks: {} }],
    ['health.providers', 'conflict', { providers: ['a', 'a'], checks: { a: healthy } }],
    ['health.checks.a', 'required', { providers: ['a'], checks: {} }],
    ['health.checks.b', 'unknown_key', { providers: ['a'], checks: { a: healthy, b: healthy } }],
    ['health.circuits.b', 'unknown_key', { providers: ['a'], checks: { a: healthy }, circuits: { b: new CircuitBreaker() } }],
    ['health.check_interval_ms', 'range', { providers: ['a'], checks: { a: healthy }, checkIntervalMs: 0 }],
  ])('refuses what does not fit together: %s, %s', (path, fault, options) => {
    expect(() => new ServiceHealthMonitor(options)).toThrow(expect.objectContaining({ path, fault }) as Error);
  });
});
