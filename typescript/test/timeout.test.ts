import { getEventListeners } from 'node:events';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { Bulkhead, Cache, Retry, Timeout, TimeoutError, compose, type TimeoutMode } from '../src/index.js';
import { VirtualClock } from '../src/testing.js';
import { Controlled, Events, untilAborted, watch } from './support/calls.js';

const MODES: TimeoutMode[] = ['cancel', 'abandon'];

function setUp(mode: TimeoutMode) {
  const clock = new VirtualClock();
  const events = new Events();
  return { clock, events, work: new Controlled(), timeout: new Timeout({ timeoutMs: 100, mode, clock, listeners: [events.listen] }) };
}

describe.each(MODES)('a timeout in mode %s', (mode) => {
  it('lets an operation in time alone, and leaves no timer', async () => {
    const { clock, events, timeout, work } = setUp(mode);
    const call = watch(timeout.execute(work.operation));
    await clock.advance(99);
    work.resolve('x');
    await clock.settle();
    expect(call).toEqual({ status: 'fulfilled', value: 'x' });
    expect([clock.armedTimers, events.all]).toEqual([0, []]);
  });

  it('signals the operation at the deadline, with its error as the reason', async () => {
    const { clock, timeout } = setUp(mode);
    const call = watch(timeout.execute(untilAborted));
    await clock.advance(100);
    expect(call.error).toBeInstanceOf(TimeoutError);
    expect(call.error).toMatchObject({ message: 'Operation timed out: timeout, 100 ms', policy: 'timeout' });
  });

  it('makes a late value a timeout, and tells of it', async () => {
    const { clock, events, timeout, work } = setUp(mode);
    const call = watch(timeout.execute(work.operation));
    await clock.advance(100);
    expect(call.status).toBe(mode === 'cancel' ? 'pending' : 'rejected');
    work.resolve('late');
    await clock.settle();
    expect(call.error).toBeInstanceOf(TimeoutError);
    expect(events.types.filter((type) => type !== 'call_abandoned')).toEqual(['timed_out', 'late_outcome']);
  });

  it('tells of a late error too, but not of an end by its own signal', async () => {
    const boom = new Error('boom');
    for (const [ending, outcomes] of [[() => boom, ['failure']], [(signal: AbortSignal) => signal.reason as unknown, []]] as const) {
      const { clock, events, timeout, work } = setUp(mode);
      const call = watch(timeout.execute(work.operation));
      await clock.advance(100);
      const [signal] = work.signals;
      if (signal !== undefined) work.reject(ending(signal));
      await clock.settle();
      expect(call.error).toBeInstanceOf(TimeoutError);
      expect(events.of('late_outcome').map((event) => event.outcome)).toEqual(outcomes);
    }
  });

  it('notices the deadline also where the event loop was blocked', async () => {
    const { clock, timeout } = setUp(mode);
    let now = 0;
    const blocked = new Timeout({ timeoutMs: 100, mode, clock: { ...bound(clock), now: () => now } });
    await expect(blocked.execute(() => { now = 100; return 'x'; })).rejects.toBeInstanceOf(TimeoutError);
    expect(timeout.name).toBe('timeout');
  });

  it('passes the cancellation of its caller on, which is no timeout', async () => {
    const { clock, events, timeout } = setUp(mode);
    const caller = new AbortController();
    const call = watch(timeout.execute(untilAborted, { signal: caller.signal }));
    caller.abort();
    await clock.settle();
    if (mode === 'cancel') expect(call.error).toBe(caller.signal.reason);
    else expect(call.error).toMatchObject({ code: 'cancelled', cause: caller.signal.reason as unknown });
    expect(events.of('timed_out')).toEqual([]);
    expect(clock.armedTimers).toBe(0);
  });
});

function bound(clock: VirtualClock) {
  return { setTimeout: clock.setTimeout.bind(clock), clearTimeout: clock.clearTimeout.bind(clock) };
}

describe('listeners on the signal of a caller', () => {
  it('do not pile up over many calls (cockatiel #81)', async () => {
    const clock = new VirtualClock();
    const { signal } = new AbortController();
    const policy = compose(
      new Cache({ clock, ttlMs: 0, staleWhileRevalidate: false }),
      new Bulkhead({ clock, maxConcurrentCalls: 1 }),
      new Timeout({ clock, timeoutMs: 10, mode: 'abandon' }),
      new Retry({ clock, maxRetries: 1, initialDelayMs: 1 }),
      new Timeout({ clock, timeoutMs: 5, mode: 'cancel' }),
    );
    for (let round = 0; round < 20; round++) {
      watch(policy.execute(() => 'x', { signal, key: 'a' }));
      watch(policy.execute(() => Promise.reject(new Error('x')), { signal, key: 'b' }));
      watch(policy.execute(untilAborted, { signal }));
      await clock.advance(50);
    }
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(clock.armedTimers).toBe(0);
  });
});

describe('the calls under one timeout', () => {
  it('share one timer, and each ends at its own deadline', async () => {
    const clock = new VirtualClock();
    const timeout = new Timeout({ timeoutMs: 100, clock });
    const ended = new Map<string, number>();
    const work = new Controlled();
    for (const name of ['a', 'b', 'c']) {
      timeout.execute(work.operation).catch(() => ended.set(name, clock.now()));
      await clock.advance(30);
    }
    expect(clock.armedTimers).toBe(1);
    work.resolve('x'); // the one that the timer was armed for
    await clock.advance(200);
    expect([...ended]).toEqual([['b', 130], ['c', 160]]);
    expect(clock.armedTimers).toBe(0);
  });

  it('begin anew from the listeners of those that end', async () => {
    const clock = new VirtualClock();
    const timeout = new Timeout({ timeoutMs: 100, clock });
    const calls: ReturnType<typeof watch>[] = [];
    timeout.addListener(({ type }) => {
      if (type === 'timed_out' && calls.length < 3) calls.push(watch(timeout.execute(untilAborted)));
    });
    calls.push(watch(timeout.execute(untilAborted)));
    await clock.advance(250);
    expect(calls.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'pending']);
    await clock.advance(50);
    expect(calls.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(clock.armedTimers).toBe(0);
  });
});

describe('the clock of the system', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([undefined, ['setTimeout', 'clearTimeout'] as const])('may be replaced by fake timers: %j', async (toFake) => {
    const timeout = new Timeout({ timeoutMs: 30_000 });
    await timeout.execute(() => 'x'); // before they stand in
    vi.useFakeTimers(toFake && { toFake: [...toFake] });
    const call = watch(timeout.execute(untilAborted));
    vi.advanceTimersByTime(29_999);
    await Promise.resolve();
    expect(call.status).toBe('pending');
    vi.advanceTimersByTime(2);
    vi.useRealTimers();
    await new VirtualClock().settle();
    expect(call.error).toBeInstanceOf(TimeoutError);
  });

  it('arms what is still waited for when the turn ends, and clears it', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    const work = new Controlled();
    const timeout = new Timeout({ timeoutMs: 30_000 });
    await timeout.execute(() => 'x');
    const call = timeout.execute(work.operation);
    expect(timers()).toBe(before);
    await new VirtualClock().settle();
    expect(timers()).toBe(before + 1);
    work.resolve('y');
    await expect(call).resolves.toBe('y');
    expect(timers()).toBe(before);
  });
});
