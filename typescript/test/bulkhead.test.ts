import { describe, expect, it } from 'vitest';

import { Bulkhead, BulkheadFullError, BulkheadWaitTimeoutError, Retry, Timeout, compose, type BulkheadOptions } from '../src/index.js';
import { VirtualClock } from '../src/testing.js';
import { Controlled, Events, watch } from './support/calls.js';

function setUp(options: BulkheadOptions = {}) {
  const clock = new VirtualClock();
  const events = new Events();
  const bulkhead = new Bulkhead({ maxConcurrentCalls: 1, clock, listeners: [events.listen], ...options });
  return { clock, events, bulkhead, work: new Controlled() };
}

describe('a bulkhead', () => {
  it('hands a slot to the head of the queue, past any newcomer (cockatiel dequeue)', async () => {
    const { clock, bulkhead, work } = setUp();
    const order: string[] = [];
    const enter = (name: string) => bulkhead.execute((context) => {
      order.push(name);
      return work.operation(context);
    });
    const first = enter('first').then(() => watch(enter('newcomer')));
    watch(enter('second'));
    watch(enter('third'));
    await clock.settle();
    work.resolve('x');
    await first;
    await clock.settle();
    expect(order).toEqual(['first', 'second']);
    expect(bulkhead.stats()).toEqual({ concurrentExecutions: 1, queueSize: 2 });
  });

  it('rejects what its queue has no place for', async () => {
    const { bulkhead, work } = setUp({ maxQueueSize: 0 });
    watch(bulkhead.execute(work.operation));
    const error: unknown = await bulkhead.execute(work.operation).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(BulkheadFullError);
    expect(error).toMatchObject({ message: 'Bulkhead capacity reached: bulkhead, 1 running, 0 queued' });
  });

  it('rejects what has waited too long, and forgets it', async () => {
    const { clock, bulkhead, work, events } = setUp({ maxWaitMs: 50 });
    watch(bulkhead.execute(work.operation));
    const late = watch(bulkhead.execute(work.operation));
    await clock.advance(49);
    expect(late.status).toBe('pending');
    await clock.advance(1);
    expect(late.error).toBeInstanceOf(BulkheadWaitTimeoutError);
    work.resolve('x');
    await clock.settle();
    expect(bulkhead.stats()).toEqual({ concurrentExecutions: 0, queueSize: 0 });
    expect(events.types).toEqual(['bulkhead_queued', 'bulkhead_rejected']);
  });

  it('does not queue where no waiting is allowed', async () => {
    const { clock, bulkhead, work } = setUp({ maxWaitMs: 0 });
    watch(bulkhead.execute(work.operation));
    await expect(bulkhead.execute(work.operation)).rejects.toBeInstanceOf(BulkheadWaitTimeoutError);
    expect(clock.armedTimers).toBe(0);
  });

  it('hears a waiting caller give up (failsafe-go #14)', async () => {
    const { clock, bulkhead, work } = setUp({ maxWaitMs: 1000 });
    const caller = new AbortController();
    watch(bulkhead.execute(work.operation));
    const waiting = watch(bulkhead.execute(work.operation, { signal: caller.signal }));
    caller.abort();
    expect(bulkhead.stats().queueSize).toBe(0);
    await clock.settle();
    expect(waiting.error).toMatchObject({ code: 'cancelled', cause: caller.signal.reason as unknown });
    expect(clock.armedTimers).toBe(0);
  });

  it('passes a slot on whose new owner gave up in the meantime', async () => {
    const { clock, bulkhead, work } = setUp();
    const caller = new AbortController();
    watch(bulkhead.execute(work.operation));
    const waiting = watch(bulkhead.execute(work.operation, { signal: caller.signal }));
    watch(bulkhead.execute(work.operation));
    await clock.settle();
    bulkhead.addListener((event) => {
      if (event.type === 'bulkhead_handed_over') caller.abort();
    });
    work.resolve('x');
    await clock.settle();
    expect(waiting.error).toMatchObject({ code: 'cancelled' });
    expect(bulkhead.stats()).toEqual({ concurrentExecutions: 1, queueSize: 0 });
    expect(work.starts).toBe(2);
  });
});

describe('the slot of an abandoned operation', () => {
  it('is kept by each attempt until that attempt has ended', async () => {
    const { clock, bulkhead, work } = setUp({ maxConcurrentCalls: 2 });
    const attempts = new Retry({ clock, maxRetries: 1, initialDelayMs: 0 });
    const policy = compose(attempts, bulkhead, new Timeout({ clock, timeoutMs: 10, mode: 'abandon' }));
    const call = watch(policy.execute(work.operation));
    await clock.advance(20);
    expect(call.error).toMatchObject({ code: 'timeout' });
    expect(bulkhead.stats().concurrentExecutions).toBe(2);
    work.resolve('late');
    await clock.settle();
    expect(bulkhead.stats().concurrentExecutions).toBe(1);
    work.reject(new Error('late'));
    await clock.settle();
    expect(bulkhead.stats().concurrentExecutions).toBe(0);
  });

  it('is kept in every bulkhead around', async () => {
    const { clock, bulkhead, work } = setUp();
    const inner = new Bulkhead({ clock });
    const policy = compose(bulkhead, inner, new Timeout({ clock, timeoutMs: 10 }));
    watch(policy.execute(work.operation));
    await clock.advance(10);
    expect([bulkhead, inner].map((one) => one.stats().concurrentExecutions)).toEqual([1, 1]);
    work.resolve('late');
    await clock.settle();
    expect([bulkhead, inner].map((one) => one.stats().concurrentExecutions)).toEqual([0, 0]);
  });
});
