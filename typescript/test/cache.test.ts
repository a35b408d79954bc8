import { describe, expect, it } from 'vitest';

import { Cache, type CacheOptions } from '../src/index.js';
import { VirtualClock } from '../src/testing.js';
import { Controlled, Events, untilAborted, watch } from './support/calls.js';

const boom = new Error('boom');

function setUp(options: CacheOptions = {}) {
  const clock = new VirtualClock();
  const events = new Events();
  return { clock, events, cache: new Cache({ ttlMs: 100, clock, listeners: [events.listen], ...options }), fetch: new Controlled() };
}

describe('a cache', () => {
  it('answers from memory until the value is as old as its time to live', async () => {
    const { clock, cache, events } = setUp({ staleWhileRevalidate: false });
    await cache.execute(() => 'old', { key: 'k' });
    await clock.advance(99);
    await expect(cache.execute(() => 'new', { key: 'k' })).resolves.toBe('old');
    await clock.advance(1);
    await expect(cache.execute(() => 'new', { key: 'k' })).resolves.toBe('new');
    expect(events.types).toEqual(['cache_miss', 'cache_hit', 'cache_miss']);
  });

  it('keeps any value, undefined too, but no error', async () => {
    const { cache } = setUp();
    await expect(cache.execute(() => Promise.reject(boom), { key: 'k' })).rejects.toBe(boom);
    expect(cache.stats()).toEqual({ size: 0 });
    await cache.execute(() => undefined, { key: 'k' });
    await expect(cache.execute(() => 'x', { key: 'k' })).resolves.toBeUndefined();
  });

  it('is passed by without a key', async () => {
    const { cache, events } = setUp();
    await cache.execute(() => 'x');
    expect([cache.stats().size, events.all]).toEqual([0, []]);
  });

  it('fetches once for all who wait, errors included', async () => {
    const { clock, cache, fetch } = setUp();
    const calls = [1, 2, 3].map(() => watch(cache.execute(fetch.operation, { key: 'k' })));
    await clock.settle();
    fetch.reject(boom);
    await clock.settle();
    expect(fetch.starts).toBe(1);
    expect(calls.map(({ error }) => error)).toEqual([boom, boom, boom]);
  });

  it('lets the first who waits fetch when the caller that did gives up', async () => {
    const { clock, cache, fetch } = setUp();
    const caller = new AbortController();
    watch(cache.execute(untilAborted, { key: 'k', signal: caller.signal }));
    const second = watch(cache.execute(fetch.operation, { key: 'k' }));
    const third = watch(cache.execute(() => 'not asked', { key: 'k' }));
    await clock.settle();
    caller.abort();
    await clock.settle();
    expect([fetch.starts, third.status]).toEqual([1, 'pending']);
    fetch.resolve('x');
    await clock.settle();
    expect([second.value, third.value]).toEqual(['x', 'x']);
  });

  it('lets a caller that waits go at once, without disturbing the fetch', async () => {
    const { clock, cache, fetch } = setUp();
    const caller = new AbortController();
    const first = watch(cache.execute(fetch.operation, { key: 'k' }));
    const waiting = watch(cache.execute(fetch.operation, { key: 'k', signal: caller.signal }));
    await clock.settle();
    caller.abort('gone');
    await clock.settle();
    expect(waiting.error).toMatchObject({ code: 'cancelled', cause: 'gone' });
    fetch.resolve('x');
    await clock.settle();
    expect([first.value, fetch.starts]).toEqual(['x', 1]);
  });

  it('answers with a stale value at once and refreshes it in the background', async () => {
    const { clock, cache, events, fetch } = setUp();
    await cache.execute(() => 'old', { key: 'k' });
    await clock.advance(100);
    await expect(cache.execute(fetch.operation, { key: 'k' })).resolves.toBe('old');
    await expect(cache.execute(fetch.operation, { key: 'k' })).resolves.toBe('old');
    fetch.resolve('new');
    await clock.settle();
    expect(fetch.starts).toBe(1);
    expect(events.types).toEqual(['cache_miss', 'cache_stale_hit', 'cache_stale_hit', 'cache_refreshed']);
    await expect(cache.execute(() => 'other', { key: 'k' })).resolves.toBe('new');
  });

  it('reports a failed refresh, keeps the value, and leaves no rejection behind', async () => {
    const { clock, cache, events } = setUp();
    await cache.execute(() => 'old', { key: 'k' });
    await clock.advance(100);
    await cache.execute(() => Promise.reject(boom), { key: 'k' });
    await clock.settle();
    expect(events.of('cache_refresh_failed')).toMatchObject([{ key: 'k', error: boom }]);
    expect(cache.stats().size).toBe(1);
  });

  it('gives each caller the stale value for a failed fetch, and reports the failure once', async () => {
    const { clock, cache, events, fetch } = setUp({ staleWhileRevalidate: false, staleIfError: true, maxStaleMs: 50 });
    await cache.execute(() => 'old', { key: 'k' });
    await clock.advance(100);
    const calls = [1, 2].map(() => watch(cache.execute(fetch.operation, { key: 'k' })));
    await clock.advance(49);
    fetch.reject(boom);
    await clock.settle();
    expect(calls.map(({ value }) => value)).toEqual(['old', 'old']);
    expect(events.types.slice(3)).toEqual(['cache_refresh_failed', 'cache_stale_hit', 'cache_stale_hit']);
  });

  it('drops the value that was used least recently', async () => {
    const { cache, events } = setUp({ maxEntries: 2 });
    for (const key of ['a', 'b', 'a', 'c']) await cache.execute(() => key, { key });
    expect(events.of('cache_evicted')).toMatchObject([{ key: 'b' }]);
    expect(cache.stats().size).toBe(2);
  });

  it('stores nothing of a fetch that was invalidated under way', async () => {
    const { clock, cache, fetch } = setUp();
    const first = watch(cache.execute(fetch.operation, { key: 'k' }));
    await clock.settle();
    cache.invalidate('k');
    const second = watch(cache.execute(fetch.operation, { key: 'k' }));
    await clock.settle();
    fetch.resolve('one');
    await clock.settle();
    expect([first.value, second.status, cache.stats().size]).toEqual(['one', 'pending', 0]);
    fetch.resolve('two');
    await clock.settle();
    expect([second.value, cache.stats().size]).toEqual(['two', 1]);
  });

  it('cancels its refreshes when it is closed, and goes on', async () => {
    const { clock, cache, events } = setUp();
    await cache.execute(() => 'old', { key: 'k' });
    await clock.advance(100);
    await cache.execute(untilAborted, { key: 'k' });
    cache.close();
    await clock.settle();
    expect(events.of('cache_refresh_failed')).toEqual([]);
    await expect(cache.execute(() => 'new', { key: 'k' })).resolves.toBe('old');
    await clock.settle();
    await expect(cache.execute(() => 'x', { key: 'k' })).resolves.toBe('new');
  });
});
