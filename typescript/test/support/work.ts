/**
 * Counts the work of one call in each of several cases, and prints it as JSON: bytes allocated, blocks of the package's code run, clock
 * readings, timers armed. Each repeats exactly, on any machine that runs the same Node with `--jitless --predictable --expose-gc` and
 * a new space that holds everything.
 */

import { Session } from 'node:inspector/promises';
import { PerformanceObserver } from 'node:perf_hooks';

import {
  Bulkhead, Cache, CircuitBreaker, ResilienceFacade, Retry, Timeout, compose, systemClock, type Clock,
} from '../../src/index.js';

const CALLS = 200;

let readings = 0;
let timers = 0;
const platformTimeout = globalThis.setTimeout;
const clock: Clock = {
  now: () => {
    readings++;
    return systemClock.now();
  },
  setTimeout: (callback, ms) => {
    timers++;
    return systemClock.setTimeout(callback, ms);
  },
  clearTimeout: (timer) => { systemClock.clearTimeout(timer); },
};

const RESULT = Promise.resolve(1);
const operation = (): Promise<number> => RESULT;
const failure = new Error('x');
let starts = 0;
const failing = (): Promise<number> => (++starts % 4 === 0 ? RESULT : Promise.reject(failure));

const opened = new CircuitBreaker({ clock });
opened.forceOpen();
const full = new Bulkhead({ clock, maxConcurrentCalls: 1, maxQueueSize: 0 });
void full.execute(() => new Promise(() => undefined));
const breaker = new CircuitBreaker({ clock });
const counting = new CircuitBreaker({ clock, window: { kind: 'count' } });
const retry = new Retry({ clock, initialDelayMs: 0 });
const bulkhead = new Bulkhead({ clock });
const abandoning = new Timeout({ clock, mode: 'abandon' });
const cancelling = new Timeout({ clock, mode: 'cancel' });
const cache = new Cache({ clock, ttlMs: 3_600_000 });
const stack = compose(new CircuitBreaker({ clock }), new Bulkhead({ clock }), new Timeout({ clock }), new Retry({ clock }));
const facade = new ResilienceFacade({ clock, cache: { ttlMs: 3_600_000 } });
const stale = new ResilienceFacade({ clock, cache: { ttlMs: 0 } });
const keys = Array.from({ length: 4 * CALLS }, (_, index) => `key-${index}`);
let next = 0;

const cases: Record<string, () => Promise<unknown>> = {
  'breaker': () => breaker.execute(operation),
  'breaker, count window': () => counting.execute(operation),
  'breaker, open': () => opened.execute(operation),
  'retry': () => retry.execute(operation),
  'retry, three failures': () => retry.execute(failing),
  'bulkhead': () => bulkhead.execute(operation),
  'bulkhead, full': () => full.execute(operation),
  'timeout, abandon': () => abandoning.execute(operation),
  'timeout, cancel': () => cancelling.execute(operation),
  'cache, hit': () => cache.execute(operation, { key: 'key' }),
  'stack of four': () => stack.execute(operation),
  'facade, hit': () => facade.execute('key', operation),
  'facade, miss': () => facade.execute(keys[next++], operation),
  'facade, stale hit': () => stale.execute('key', operation),
};

async function run(call: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < CALLS; i++) {
    try {
      await call();
    } catch {
      // the cases of a refusal
    }
  }
}

const session = new Session();
session.connect();

/** Blocks run since the last time, of this file's bundle: the package and little else. */
async function blocks(): Promise<number> {
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const functions = result.filter(({ url }) => url === import.meta.url).flatMap((script) => script.functions);
  return functions.flatMap(({ ranges }) => ranges).reduce((sum, { count }) => sum + count, 0);
}

let collections = 0;
new PerformanceObserver((list) => { collections += list.getEntries().length; }).observe({ entryTypes: ['gc'] });
const work: Record<string, Record<string, number>> = {};
for (const [name, call] of Object.entries(cases)) {
  await run(call);
  globalThis.gc?.();
  await new Promise((resolve) => platformTimeout(resolve, 5));
  [readings, timers, collections] = [0, 0, 0];
  const before = process.memoryUsage().heapUsed;
  await run(call);
  const bytes = process.memoryUsage().heapUsed - before;
  const counted = { readings, timers };
  await new Promise((resolve) => platformTimeout(resolve, 5));
  if (collections > 0) throw new Error(`${name}: the new space was too small`);
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  await run(call);
  const ran = await blocks();
  await session.post('Profiler.stopPreciseCoverage');
  work[name] = {
    bytes: Math.round(bytes / CALLS),
    blocks: Math.round(ran / CALLS),
    readings: counted.readings / CALLS,
    timers: counted.timers / CALLS,
  };
}
console.log(JSON.stringify(work, null, 2));
process.exit(0);
