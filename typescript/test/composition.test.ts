import { describe, expect, it, vi } from 'vitest';

import { Bulkhead, Cache, CircuitBreaker, ConfigurationError, Fallback, ResilienceFacade, Retry, Timeout, compose } from '../src/index.js';
import { VirtualClock } from '../src/testing.js';
import { Controlled, Events, untilAborted, watch } from './support/calls.js';

const boom = new Error('boom');

describe('a fallback', () => {
  it('answers for a failure, and tells of it before', async () => {
    const events = new Events();
    const fallback = new Fallback((error) => (error === boom ? 'instead' : 'wrong'), { listeners: [events.listen] });
    await expect(fallback.execute<unknown>(() => Promise.reject(boom))).resolves.toBe('instead');
    expect(events.all).toMatchObject([{ type: 'fallback_used', error: boom }]);
  });

  it('does not run for a cancellation, nor where its predicate says no', async () => {
    const handler = vi.fn();
    const caller = new AbortController();
    const cancelled = watch(new Fallback(handler).execute(untilAborted, { signal: caller.signal }));
    caller.abort();
    await expect(new Fallback(handler, { when: () => false }).execute(() => Promise.reject(boom))).rejects.toBe(boom);
    await new VirtualClock().settle();
    expect(cancelled.error).toBe(caller.signal.reason);
    expect(handler).not.toHaveBeenCalled();
  });

  it('gives the error of its handler, with the first as the cause unless it has one', async () => {
    const own = new Error('own cause', { cause: 'mine' });
    const second = new Error('second');
    for (const [error, cause] of [[second, boom], [own, 'mine']] as const) {
      const fallback = new Fallback(() => Promise.reject(error));
      await expect(fallback.execute(() => Promise.reject(boom))).rejects.toBe(error);
      expect(error.cause).toBe(cause);
    }
  });
});

describe('a composition', () => {
  it('does not open a circuit by load alone', async () => {
    const clock = new VirtualClock();
    const breaker = new CircuitBreaker({ clock, failureThreshold: 1 });
    const policy = compose(breaker, new Bulkhead({ clock, maxConcurrentCalls: 1, maxQueueSize: 0 }));
    const work = new Controlled();
    watch(policy.execute(work.operation));
    await clock.settle();
    await expect(policy.execute(work.operation)).rejects.toMatchObject({ code: 'bulkhead_full' });
    expect(breaker.stats()).toMatchObject({ state: 'CLOSED', ignored: 1, failures: 0 });
  });

  it('counts a timeout inside as a failure', async () => {
    const clock = new VirtualClock();
    const breaker = new CircuitBreaker({ clock, failureThreshold: 1 });
    watch(compose(breaker, new Timeout({ clock, timeoutMs: 10 })).execute(untilAborted));
    await clock.advance(10);
    expect(breaker.state).toBe('OPEN');
  });

  it('ends a wait between retries at the deadline of a timeout outside', async () => {
    const clock = new VirtualClock();
    const call = watch(
      compose(new Timeout({ clock, timeoutMs: 50, mode: 'cancel' }), new Retry({ clock, initialDelayMs: 1000 })).execute(() => Promise.reject(boom)),
    );
    await clock.advance(50);
    expect(call.error).toMatchObject({ code: 'timeout' });
    expect(clock.armedTimers).toBe(0);
  });

  it('unfolds compositions, is listened to in one place, and refuses what is no policy', () => {
    const policies = [new Retry(), new Bulkhead(), new Timeout()] as const;
    const composition = compose(policies[0], compose(policies[1], policies[2]));
    expect(composition.policies).toEqual(policies);
    expect(() => compose()).toThrow(ConfigurationError);
    expect(() => compose({} as never)).toThrow('compose[0]');
  });
});

describe('a facade', () => {
  it('runs its patterns in their fixed order, and names their events after itself', async () => {
    const clock = new VirtualClock();
    const events = new Events();
    const facade = new ResilienceFacade<string>({ name: 'zephyr', clock, listeners: [events.listen], circuitBreaker: { failureThreshold: 1 }, retry: { maxRetries: 1 } });
    const call = watch(facade.execute('k', () => Promise.reject(boom), () => 'instead'));
    await clock.advance(1000);
    expect(call.value).toBe('instead');
    expect(events.types).toEqual([
      'cache_miss', 'call_admitted', 'retry_scheduled', 'retry_exhausted', 'call_failed', 'circuit_state_changed', 'fallback_used',
    ]);
    expect(new Set(events.all.map((event) => event.policy))).toEqual(new Set(['zephyr']));
  });

  it('has no policy for a section that is off', async () => {
    const off = new ResilienceFacade<string>({ cache: null, circuitBreaker: null, bulkhead: null, timeout: null, retry: null });
    await expect(off.execute('k', () => 'x')).resolves.toBe('x');
    await expect(off.execute('k', () => { throw boom; })).rejects.toBe(boom);
    expect([off.status(), off.cache]).toEqual([{}, null]);
    off.invalidateCache('k');
    off.close();
  });

  it('has every pattern where nothing is said, each with its defaults', async () => {
    const clock = new VirtualClock();
    const facade = new ResilienceFacade<string>({ clock });
    expect([facade.cache, facade.circuitBreaker, facade.bulkhead, facade.timeout, facade.retry]).not.toContain(null);
    const call = watch(facade.execute('k', () => new Promise<string>(() => undefined)));
    await clock.advance(29_999);
    expect(call.status).toBe('pending');
    await clock.advance(1);
    expect(call.error).toMatchObject({ code: 'timeout', policy: 'facade' });
  });

  it('takes zero for zero', () => {
    const work = new Controlled();
    const facade = new ResilienceFacade<string>({ bulkhead: { maxConcurrentCalls: 1, maxQueueSize: 0 } });
    watch(facade.execute(undefined, work.operation));
    return expect(facade.execute(undefined, work.operation)).rejects.toMatchObject({ code: 'bulkhead_full' });
  });

  it('refuses an option it does not know', () => {
    expect(() => new ResilienceFacade({ retry: { maxRetry: 3 } as never })).toThrow(/^retry.maxRetry/);
  });

  it('refreshes in the background through everything inside the cache', async () => {
    const clock = new VirtualClock();
    const facade = new ResilienceFacade<string>({ clock, cache: { ttlMs: 10 } });
    await facade.execute('k', () => 'old');
    await clock.advance(10);
    await facade.execute('k', () => 'new');
    await clock.settle();
    expect(facade.circuitBreaker?.stats().successes).toBe(2);
    await expect(facade.execute('k', () => 'x')).resolves.toBe('new');
  });

  it('removes a listener everywhere', async () => {
    const events = new Events();
    const facade = new ResilienceFacade<string>();
    const remove = facade.addListener(events.listen);
    remove();
    await facade.execute('k', () => 'x');
    expect(events.all).toEqual([]);
  });

  it('keeps values apart by key', async () => {
    const cache = new Cache();
    const policy = compose(cache, new Retry());
    await policy.execute(() => 1, { key: 'a' });
    await expect(policy.execute(() => 2, { key: 'b' })).resolves.toBe(2);
  });
});
