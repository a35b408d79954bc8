/** A few tests in real time; everything else is tested in virtual time. */

import { expect, it } from 'vitest';

import { Bulkhead, Cache, CircuitBreaker, Retry, Timeout } from '../src/index.js';

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

it('a timeout ends a real call, and its signal ends a real wait', async () => {
  const began = performance.now();
  await expect(new Timeout({ timeoutMs: 20 }).execute(() => sleep(5000))).rejects.toMatchObject({ code: 'timeout' });
  expect(performance.now() - began).toBeLessThan(2000);
});

it('a retry waits', async () => {
  let starts = 0;
  const began = performance.now();
  await new Retry({ initialDelayMs: 20 }).execute(() => {
    if (starts++ === 0) throw new Error('x');
  });
  expect(performance.now() - began).toBeGreaterThan(15);
});

it('a circuit takes a probe after its reset timeout', async () => {
  const breaker = new CircuitBreaker({ failureThreshold: 1, resetTimeoutMs: 20, halfOpenSuccessThreshold: 1 });
  await expect(breaker.execute(() => Promise.reject(new Error('x')))).rejects.toThrow('x');
  await expect(breaker.execute(() => 'x')).rejects.toMatchObject({ code: 'circuit_open' });
  await sleep(40);
  await expect(breaker.execute(() => 'x')).resolves.toBe('x');
});

it('a bulkhead ends a real wait', async () => {
  const bulkhead = new Bulkhead({ maxConcurrentCalls: 1, maxWaitMs: 20 });
  const holder = bulkhead.execute(() => sleep(100));
  await expect(bulkhead.execute(() => 'x')).rejects.toMatchObject({ code: 'bulkhead_wait_timeout' });
  await holder;
});

it('a cached value gets old', async () => {
  const cache = new Cache({ ttlMs: 20, staleWhileRevalidate: false });
  await cache.execute(() => 'old', { key: 'k' });
  await sleep(40);
  await expect(cache.execute(() => 'new', { key: 'k' })).resolves.toBe('new');
});
