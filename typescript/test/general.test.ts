import fc from 'fast-check';
import { afterEach, describe, expect, expectTypeOf, it, vi } from 'vitest';

import {
  Bulkhead, Cache, CancelledError, CircuitBreaker, ConfigurationError, Fallback, PolicyError, RejectedError, ResilienceError,
  ResilienceFacade, Retry, Timeout, compose, errorCode, type Layer, type Listener, type OperationContext, type ResilienceEvent,
} from '../src/index.js';
import { VirtualClock } from '../src/testing.js';
import { Controlled, watch } from './support/calls.js';

/** One of each pattern, and what it holds while a call runs. */
function everyPattern(clock: VirtualClock): [Layer, () => unknown][] {
  const breaker = new CircuitBreaker({ clock });
  const bulkhead = new Bulkhead({ clock });
  return [
    [breaker, () => { const s = breaker.stats(); return s.calls - s.successes - s.failures - s.ignored - s.cancelled - s.rejected; }],
    [bulkhead, () => bulkhead.stats().concurrentExecutions],
    [new Retry({ clock, maxRetries: 0 }), () => clock.armedTimers],
    [new Timeout({ clock, mode: 'cancel' }), () => clock.armedTimers],
    [new Timeout({ clock, mode: 'abandon' }), () => clock.armedTimers],
    [new Cache({ clock }), () => clock.armedTimers],
    [new Fallback(() => 'x', { clock, when: () => false }), () => clock.armedTimers],
    [compose(new Bulkhead({ clock }), new Timeout({ clock })), () => clock.armedTimers],
  ];
}

describe('whatever an operation throws (GN-7, GN-8)', () => {
  it('reaches the caller as the same, and what the call held is given back', async () => {
    await fc.assert(
      fc.asyncProperty(fc.anything(), fc.boolean(), async (thrown, synchronously) => {
        for (const [policy, held] of everyPattern(new VirtualClock())) {
          const caught = await policy
            .execute(() => {
              if (synchronously) throw thrown;
              return Promise.reject(thrown);
            }, { key: 'k' })
            .then(() => ({ value: 'no error' }), (error: unknown) => ({ error }));
          expect('error' in caught && Object.is(caught.error, thrown)).toBe(true);
          expect(held()).toBe(0);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('may be undefined, and is a failure all the same', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 });
    await expect(breaker.execute(() => Promise.reject(undefined as unknown as Error))).rejects.toBeUndefined();
    expect(breaker.state).toBe('OPEN');
  });
});

describe('a call whose caller has given up (GN-6)', () => {
  it('runs nothing, counts nothing, and is cancelled with the reason as the cause', async () => {
    const signal = AbortSignal.abort('gone');
    const listener = vi.fn();
    const operation = vi.fn();
    for (const [policy] of everyPattern(new VirtualClock())) {
      policy.addListener(listener);
      const error: unknown = await policy.execute(operation, { signal, key: 'k' }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(CancelledError);
      expect(error).toMatchObject({ code: 'cancelled', cause: 'gone', policy: policy.name });
    }
    const facade = new ResilienceFacade({ listeners: [listener] });
    await expect(facade.execute('k', operation, () => 'x', { signal })).rejects.toMatchObject({ code: 'cancelled' });
    expect([listener, operation].map((spy) => spy.mock.calls.length)).toEqual([0, 0]);
  });
});

describe('one policy shared by many calls (GN-14)', () => {
  it('is called by its own operations and listeners without harm', async () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, resetTimeoutMs: 0 });
    breaker.addListener((event) => {
      if (event.type === 'circuit_state_changed' && event.to === 'OPEN') breaker.reset();
    });
    await expect(breaker.execute(() => breaker.execute(() => Promise.reject(new Error('inner'))))).rejects.toThrow('inner');
    expect(breaker.stats()).toMatchObject({ state: 'CLOSED', calls: 2, failures: 2 });
  });

  it('runs calls side by side: none waits for the code of another (pybreaker #3)', async () => {
    for (const [policy] of everyPattern(new VirtualClock())) {
      const work = new Controlled();
      const calls = [1, 2, 3].map((key) => watch(policy.execute(work.operation, { key: String(key) })));
      await new VirtualClock().settle();
      expect(work.starts).toBe(3);
      calls.forEach(() => { work.resolve('x'); });
    }
  });
});

describe('listeners (GN-13)', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('run in the order they were added; one that throws is reported and changes nothing', async () => {
    const logged = vi.spyOn(console, 'error').mockReturnValue(undefined);
    const heard: string[] = [];
    const broken: Listener = () => { throw new Error('a listener with a fault'); };
    const bulkhead = new Cache({ listeners: [() => heard.push('first'), broken] });
    bulkhead.addListener(() => heard.push('last'));
    await expect(bulkhead.execute(() => 'x', { key: 'k' })).resolves.toBe('x');
    expect(heard).toEqual(['first', 'last']);
    expect(logged).toHaveBeenCalledOnce();
  });

  it('are removed one at a time, and may be there twice', async () => {
    const listener = vi.fn();
    const cache = new Cache({ listeners: [listener] });
    const remove = cache.addListener(listener);
    remove();
    remove();
    await cache.execute(() => 'x', { key: 'k' });
    expect(listener).toHaveBeenCalledOnce();
  });
});

describe('the options of a policy (GN-16, GN-17)', () => {
  it.each([
    ['circuit_breaker.failure_threshold', 'range', () => new CircuitBreaker({ failureThreshold: 0 })],
    ['circuit_breaker.reset_timeout_ms', 'range', () => new CircuitBreaker({ resetTimeoutMs: -1 })],
    ['circuit_breaker.failure_threshold', 'type', () => new CircuitBreaker({ failureThreshold: '5' as never })],
    ['circuit_breaker.window.kind', 'enum', () => new CircuitBreaker({ window: { kind: 'some' as never } })],
    ['circuit_breaker.window.size', 'conflict', () => new CircuitBreaker({ window: { kind: 'time', size: 5 } })],
    ['circuit_breaker.window.minimum_calls', 'range', () => new CircuitBreaker({ window: { kind: 'count', size: 5, minimumCalls: 6 } })],
    ['circuit_breaker.window.failure_rate', 'range', () => new CircuitBreaker({ window: { kind: 'count', failureRate: 0 } })],
    ['circuit_breaker.failure_threshold', 'conflict', () => new CircuitBreaker({ failureThreshold: 5, window: { kind: 'count' } })],
    ['circuit_breaker.slow_call', 'conflict', () => new CircuitBreaker({ slowCall: { durationMs: 1 } })],
    ['circuit_breaker.reset_timeout_backoff.max_ms', 'range', () => new CircuitBreaker({ resetTimeoutBackoff: { maxMs: 29_999 } })],
    ['retry.initial_delay_ms', 'range', () => new Retry({ initialDelayMs: Number.NaN })],
    ['retry.backoff_factor', 'range', () => new Retry({ backoffFactor: 0.5 })],
    ['retry.jitter', 'enum', () => new Retry({ jitter: 'some' as never })],
    ['retry.is_retryable', 'conflict', () => new Retry({ retryableErrors: [], isRetryable: () => true })],
    ['retry.retryable_errors[1]', 'regex', () => new Retry({ retryableErrors: ['x', '/(/'] })],
    ['bulkhead.max_concurrent_calls', 'range', () => new Bulkhead({ maxConcurrentCalls: 0 })],
    ['timeout.timeout_ms', 'range', () => new Timeout({ timeoutMs: 0 })],
    ['timeout.mode', 'enum', () => new Timeout({ mode: 'some' as never })],
    ['cache.max_entries', 'type', () => new Cache({ maxEntries: 1.5 })],
    ['cache.ttl', 'unknown_key', () => new Cache({ ttl: 5 } as never)],
  ])('are checked when it is built: %s, %s', (path, fault, build) => {
    expect(build).toThrow(ConfigurationError);
    expect(build).toThrow(expect.objectContaining({ path, fault }) as Error);
  });
});

describe('the stack of an error', () => {
  const refusal = async (): Promise<Error> => {
    const breaker = new CircuitBreaker();
    breaker.forceOpen();
    return await breaker.execute(() => 'x').catch((error: unknown) => error as Error) as Error;
  };

  it('has no frames for a refusal, and is whole for everything else', async () => {
    const limit = Error.stackTraceLimit;
    expect((await refusal()).stack).toMatch(/Error: Circuit breaker is open: circuit_breaker, forced open$/);
    expect(Error.stackTraceLimit).toBe(limit);
    expect(new CancelledError('p', 'r').stack).toMatch(/\n +at /);
    expect(new Error('x').stack).toMatch(/\n +at /);
  });

  it('is left alone where it cannot be changed', async () => {
    const before = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit') ?? {};
    Object.defineProperty(Error, 'stackTraceLimit', { value: 5, writable: false });
    try {
      expect((await refusal()).stack).toMatch(/\n +at /);
    } finally {
      Object.defineProperty(Error, 'stackTraceLimit', before);
    }
  });
});

describe('types', () => {
  it('follow the operation, and tell errors apart', async () => {
    const policy = compose(new Retry(), new Timeout());
    expectTypeOf(policy.execute(() => 5)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(policy.execute(async ({ signal }) => Promise.resolve(signal.aborted))).toEqualTypeOf<Promise<boolean>>();
    expectTypeOf<ResilienceFacade<string>['execute']>().returns.toEqualTypeOf<Promise<string>>();
    expectTypeOf<OperationContext['signal']>().toEqualTypeOf<AbortSignal>();
    expectTypeOf<Listener>().parameter(0).toEqualTypeOf<ResilienceEvent>();
    // @ts-expect-error -- a misspelt option
    expect(() => new Retry({ maxRetrys: 3 })).toThrow(ConfigurationError);
    // @ts-expect-error -- a facade answers with its own type
    const wrong = new ResilienceFacade<string>({ cache: null }).execute(undefined, () => 5);
    await expect(wrong).resolves.toBe(5);
  });

  it('have one base, and codes', () => {
    const error = new CancelledError('p', 'r');
    expect([error instanceof PolicyError, error instanceof RejectedError, error instanceof ResilienceError]).toEqual([true, false, true]);
    expect([errorCode(error), errorCode(new Error('x')), errorCode(undefined)]).toEqual(['cancelled', 'operation', 'operation']);
    expect(error.name).toBe('CancelledError');
  });
});
