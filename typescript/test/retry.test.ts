import { describe, expect, it } from 'vitest';

import { CircuitBreaker, CircuitOpenError, Retry, compose, type Pattern, type RetryOptions } from '../src/index.js';
import { VirtualClock } from '../src/testing.js';
import { Events, watch } from './support/calls.js';

const boom = new Error('boom');

function setUp(options: RetryOptions = {}) {
  const clock = new VirtualClock();
  const events = new Events();
  return { clock, events, retry: new Retry({ clock, listeners: [events.listen], ...options }) };
}

/** Fails always; returns the delays that were scheduled. */
async function delaysOf(options: RetryOptions): Promise<(number | undefined)[]> {
  const { clock, events, retry } = setUp(options);
  watch(retry.execute(() => Promise.reject(boom)));
  await clock.advance(1_000_000);
  return events.of('retry_scheduled').map((event) => event.delayMs);
}

/** How often an operation that fails with this error is started. */
async function attempts(error: unknown, retryableErrors: readonly Pattern[]): Promise<number> {
  let starts = 0;
  const { retry } = setUp({ maxRetries: 1, initialDelayMs: 0, retryableErrors });
  await retry.execute(() => {
    starts++;
    throw error;
  }).catch(() => undefined);
  return starts;
}

describe('the delays of a retry', () => {
  it('grow by the factor up to the maximum, whole milliseconds each', async () => {
    await expect(delaysOf({ maxRetries: 5, initialDelayMs: 3, backoffFactor: 1.5, maxDelayMs: 10 })).resolves.toEqual([3, 4, 6, 10, 10]);
  });

  it('are spread by jitter, one random number for each', async () => {
    const random = () => 0.5;
    const common = { maxRetries: 2, initialDelayMs: 100, random } as const;
    await expect(delaysOf({ ...common, jitter: 'full' })).resolves.toEqual([50, 100]);
    await expect(delaysOf({ ...common, jitter: 'equal' })).resolves.toEqual([75, 150]);
    await expect(delaysOf({ ...common, jitter: 'decorrelated' })).resolves.toEqual([200, 350]);
  });

  it('do not wait when they are 0', async () => {
    const { clock, retry } = setUp({ initialDelayMs: 0 });
    const call = watch(retry.execute(() => Promise.reject(boom)));
    await clock.settle();
    expect(call).toEqual({ status: 'rejected', error: boom });
  });

  it('are at least what the error asks for, unless that is too long', async () => {
    const asks = (retryAfterMs: number) => () => Promise.reject(Object.assign(new Error('busy'), { retryAfterMs }));
    const { clock, events, retry } = setUp({ initialDelayMs: 10, maxRetryAfterMs: 500 });
    watch(retry.execute(asks(500)));
    watch(retry.execute(asks(501)));
    await clock.settle();
    expect(events.all).toMatchObject([
      { type: 'retry_scheduled', delayMs: 500 },
      { type: 'retry_exhausted', reason: 'retry_after', attempt: 1 },
    ]);
  });

  it('end before the limit of all of them together', async () => {
    await expect(delaysOf({ initialDelayMs: 100, maxElapsedMs: 300, maxRetries: 9 })).resolves.toEqual([100, 200]);
  });
});

describe('what a retry repeats', () => {
  it('is nothing where the list of patterns is empty', async () => {
    await expect(attempts(boom, [])).resolves.toBe(1);
  });

  it.each([
    ['a system error', Object.assign(new Error('read'), { code: 'ECONNRESET' }), 'ECONNRESET'],
    ['the cause of what fetch throws', new TypeError('fetch failed', { cause: Object.assign(new Error(), { code: 'ENOTFOUND' }) }), 'ENOTFOUND'],
    ['a socket that undici saw closed', new TypeError('fetch failed', { cause: { code: 'UND_ERR_SOCKET' } }), 'ECONNRESET'],
    ['a time limit of undici', { code: 'UND_ERR_HEADERS_TIMEOUT' }, 'ETIMEDOUT'],
    ['one of several errors', new AggregateError([Object.assign(new Error(), { code: 'ECONNREFUSED' })]), 'ECONNREFUSED'],
    ['a status', Object.assign(new Error('x'), { status: 503 }), '503 Service Unavailable'],
    ['a status of a response', Object.assign(new Error('x'), { response: { status: 429 } }), '429 Too Many Requests'],
    ['the name of the type', new RangeError('x'), 'RangeError'],
    ['a part of the message', new Error('socket hang up'), 'hang'],
    ['a regex of a string', new Error('code 17'), '/code \\d+/'],
    ['a regex of a mapping', new Error('code 17'), { regex: '^code' }],
  ])('is found by %s', async (_, error, pattern) => {
    await expect(attempts(error, [pattern])).resolves.toBe(2);
    await expect(attempts(error, ['something else'])).resolves.toBe(1);
  });

  it('is found by a RegExp with the flag g every time', async () => {
    const pattern = /boom/g;
    await expect(attempts(boom, [pattern])).resolves.toBe(2);
    await expect(attempts(boom, [pattern])).resolves.toBe(2);
  });

  it('is not looked for in a cause that is null', async () => {
    await expect(attempts(new Error('x', { cause: null }), ['y'])).resolves.toBe(1);
    await expect(attempts(null, ['null'])).resolves.toBe(2);
  });

  it('is not searched without end where causes go in a circle', async () => {
    const error: Error = new Error('x');
    error.cause = error;
    await expect(attempts(error, ['y'])).resolves.toBe(1);
  });

  it('includes rejections only when asked to, and then waits as long as the breaker says', async () => {
    for (const [retryRejections, delays] of [[false, []], [true, [1000]]] as const) {
      const { clock, events, retry } = setUp({ retryRejections, initialDelayMs: 10 });
      const breaker = new CircuitBreaker({ clock, failureThreshold: 1, resetTimeoutMs: 1000 });
      await expect(breaker.execute(() => Promise.reject(boom))).rejects.toBe(boom);
      const call = watch(compose(retry, breaker).execute(() => 'x'));
      await clock.advance(1000);
      expect(events.of('retry_scheduled').map((event) => event.delayMs)).toEqual(delays);
      if (retryRejections) expect(call).toEqual({ status: 'fulfilled', value: 'x' });
      else expect(call.error).toBeInstanceOf(CircuitOpenError);
    }
  });
});

describe('a cancelled retry', () => {
  it('stops waiting at once, with the reason as the cause', async () => {
    const { clock, retry } = setUp();
    const caller = new AbortController();
    let starts = 0;
    const call = watch(
      retry.execute(() => {
        starts++;
        throw boom;
      }, { signal: caller.signal }),
    );
    await clock.settle();
    caller.abort('enough');
    await clock.settle();
    expect(call.error).toMatchObject({ code: 'cancelled', policy: 'retry', cause: 'enough' });
    expect([starts, clock.armedTimers]).toEqual([1, 0]);
  });

  it('gives an error of the operation itself to the caller, without an event', async () => {
    const { clock, events, retry } = setUp();
    const caller = new AbortController();
    const call = watch(
      retry.execute(({ signal }) => new Promise((_, reject) => {
        signal.addEventListener('abort', () => { reject(boom); });
      }), { signal: caller.signal }),
    );
    caller.abort();
    await clock.settle();
    expect(call).toEqual({ status: 'rejected', error: boom });
    expect(events.all).toEqual([]);
  });
});
