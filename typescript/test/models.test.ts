/** Policies beside a model of each, under random sequences of what can happen to them. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Bulkhead, CircuitBreaker } from '../src/index.js';
import { VirtualClock } from '../src/testing.js';
import { watch } from './support/calls.js';

interface Running {
  readonly end: (ok: boolean) => void;
  readonly generation: number;
  readonly started: number;
}

const THRESHOLD = 2;
const RESET = 100;
const SUCCESSES = 2;

/** The specification of a `consecutive` breaker, written as plainly as can be. */
class BreakerModel {
  state = 'CLOSED';
  generation = 0;
  failures = 0;
  successes = 0;
  openedAt = 0;
  probes: Running[] = [];

  enter(state: string, now: number): void {
    this.state = state;
    this.generation++;
    this.probes = [];
    if (state === 'OPEN') this.openedAt = now;
    else this.failures = this.successes = 0;
  }

  admits(now: number): boolean {
    if (this.state === 'OPEN' && now >= this.openedAt + RESET) this.enter('HALF_OPEN', now);
    if (this.state !== 'HALF_OPEN') return this.state === 'CLOSED' || this.state === 'DISABLED';
    this.probes = this.running(now);
    return this.probes.length + this.successes < SUCCESSES;
  }

  running(now: number): Running[] {
    return this.probes.filter((probe) => now - probe.started < RESET);
  }

  ended(call: Running, ok: boolean, now: number): void {
    this.probes = this.probes.filter((probe) => probe !== call);
    if (call.generation !== this.generation) return;
    if (this.state === 'CLOSED') {
      this.failures = ok ? 0 : this.failures + 1;
      if (this.failures >= THRESHOLD) this.enter('OPEN', now);
    } else if (this.state === 'HALF_OPEN') {
      if (!ok) {
        this.successes = 0;
        this.enter('OPEN', now);
        this.failures = 1; // CB-13
      } else if (++this.successes >= SUCCESSES) {
        this.enter('CLOSED', now);
      }
    }
  }
}

const breakerActions = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('call' as const) }) },
    { weight: 5, arbitrary: fc.record({ do: fc.constant('end' as const), which: fc.nat(5), ok: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.constantFrom(1, 50, 99, 100, 101) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('forceOpen' as const, 'disable' as const, 'reset' as const) }) },
  ),
  { maxLength: 60 },
);

describe('a circuit breaker', () => {
  it('does what its model does', async () => {
    await fc.assert(
      fc.asyncProperty(breakerActions, async (actions) => {
        const clock = new VirtualClock();
        const breaker = new CircuitBreaker({ clock, failureThreshold: THRESHOLD, resetTimeoutMs: RESET, halfOpenSuccessThreshold: SUCCESSES });
        const model = new BreakerModel();
        const running: Running[] = [];
        for (const action of actions) {
          if (action.do === 'call') {
            const admitted = model.admits(clock.now());
            let end: Running['end'] | undefined;
            const call = watch(
              breaker.execute(() => new Promise<void>((resolve, reject) => {
                end = (ok) => { if (ok) resolve(); else reject(new Error('x')); };
              })),
            );
            await clock.settle();
            expect(call.status).toBe(admitted ? 'pending' : 'rejected');
            if (end === undefined) continue;
            const started: Running = { end, generation: model.generation, started: clock.now() };
            running.push(started);
            if (model.state === 'HALF_OPEN') model.probes.push(started);
          } else if (action.do === 'end') {
            const [call] = running.splice(action.which % Math.max(1, running.length), 1);
            call?.end(action.ok);
            await clock.settle();
            if (call !== undefined) model.ended(call, action.ok, clock.now());
          } else if (action.do === 'advance') {
            await clock.advance(action.ms);
          } else {
            breaker[action.do]();
            const state = { forceOpen: 'FORCED_OPEN', disable: 'DISABLED', reset: 'CLOSED' }[action.do];
            if (state !== model.state || state === 'CLOSED') model.enter(state, clock.now());
          }
          const { state, generation, failureCount, runningProbes, calls, ...totals } = breaker.stats();
          expect({ state, generation, failureCount, runningProbes }).toEqual({
            state: model.state, generation: model.generation, failureCount: model.failures, runningProbes: model.running(clock.now()).length,
          });
          expect(totals.successes + totals.failures + totals.ignored + totals.cancelled + totals.rejected + running.length).toBe(calls);
        }
      }),
      { numRuns: 300 },
    );
  });
});

const bulkheadActions = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('enter' as const) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('end' as const), which: fc.nat(5) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('end and cancel' as const), which: fc.nat(5) }) },
  ),
  { maxLength: 60 },
);

describe('a bulkhead', () => {
  it('does what its model does: two lists', async () => {
    await fc.assert(
      fc.asyncProperty(bulkheadActions, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 3 }), async (actions, slots, places) => {
        const clock = new VirtualClock();
        const bulkhead = new Bulkhead({ clock, maxConcurrentCalls: slots, maxQueueSize: places });
        const started: number[] = [];
        const ends = new Map<number, () => void>();
        const callers = new Map<number, AbortController>();
        let running: number[] = [];
        let queue: number[] = [];
        let expected: number[] = [];
        let names = 0;
        const free = (name: number): void => {
          running = running.filter((one) => one !== name);
          const [head, ...rest] = queue;
          if (head === undefined) return;
          queue = rest;
          running.push(head);
          expected.push(head);
        };
        for (const action of actions) {
          if (action.do === 'enter') {
            const name = names++;
            const caller = new AbortController();
            callers.set(name, caller);
            watch(
              bulkhead.execute(() => {
                started.push(name);
                return new Promise<void>((resolve) => { ends.set(name, resolve); });
              }, { signal: caller.signal }),
            );
            if (running.length < slots) {
              running.push(name);
              expected.push(name);
            } else if (queue.length < places) {
              queue.push(name);
            }
          }
          const leaving = action.do === 'end' || action.do === 'end and cancel' ? running[action.which % Math.max(1, running.length)] : undefined;
          if (leaving !== undefined) ends.get(leaving)?.();
          const cancelled = action.do === 'cancel' || action.do === 'end and cancel' ? queue[action.which % Math.max(1, queue.length)] : undefined;
          if (cancelled !== undefined) {
            callers.get(cancelled)?.abort();
            queue = queue.filter((one) => one !== cancelled);
          }
          if (leaving !== undefined) free(leaving);
          await clock.settle();
          expect(bulkhead.stats()).toEqual({ concurrentExecutions: running.length, queueSize: queue.length });
          expect(started).toEqual(expected);
        }
        expected = [];
      }),
      { numRuns: 300 },
    );
  });
});
