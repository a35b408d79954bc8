/** What is measured, and how each peer does it. */

import * as cockatiel from 'cockatiel';
import { LRUCache } from 'lru-cache';
import * as mollitia from 'mollitia';
import Opossum from 'opossum';
import pLimit from 'p-limit';
import pRetry from 'p-retry';

import {
  Bulkhead, Cache, CircuitBreaker, ResilienceFacade, Retry, Timeout, compose, type Window,
} from '../dist/index.js';
import type { Case, Contender } from './harness.js';
import { OURS } from './peers.js';

const op = async (): Promise<number> => 1;
const fail = async (): Promise<number> => {
  throw FAILURE;
};
const FAILURE = new Error('the dependency fails');
const bare: Contender = { name: 'await op()', call: op };
const identity = async (operation: () => Promise<number>): Promise<number> => await operation();
const HOUR = 3_600_000;

/** Statistics that nobody reads are off where a peer lets one choose. */
const opossum = (options: Opossum.Options, action = op): Opossum<[], number> =>
  new Opossum(action, { timeout: false, enableSnapshots: false, rollingPercentilesEnabled: false, ...options });

const through = (...modules: mollitia.Module[]): mollitia.Circuit => new mollitia.Circuit({ options: { modules } }).fn(op);

/** Fails three times, then succeeds, again and again. */
function failing(): () => Promise<number> {
  let starts = 0;
  return async () => {
    if (++starts % 4 === 0) return starts;
    throw FAILURE;
  };
}

/** What a call meets that nothing is wrong with. */
function successes(): Case[] {
  const breaker = new CircuitBreaker();
  const ours = compose(new CircuitBreaker(), new Bulkhead(), new Timeout(), new Retry());
  const facade = new ResilienceFacade<number>({ cache: null });
  const cockatielStack = cockatiel.wrap(
    cockatiel.circuitBreaker(cockatiel.handleAll, { halfOpenAfter: HOUR, breaker: new cockatiel.ConsecutiveBreaker(5) }),
    cockatiel.bulkhead(10, 100),
    cockatiel.timeout(30_000, cockatiel.TimeoutStrategy.Aggressive),
    cockatiel.retry(cockatiel.handleAll, { maxAttempts: 3 }),
  );
  const cockatielConsecutive = cockatiel.circuitBreaker(cockatiel.handleAll, {
    halfOpenAfter: HOUR, breaker: new cockatiel.ConsecutiveBreaker(5),
  });
  const cockatielSampling = cockatiel.circuitBreaker(cockatiel.handleAll, {
    halfOpenAfter: HOUR, breaker: new cockatiel.SamplingBreaker({ threshold: 0.5, duration: 30_000 }),
  });
  const opossumPlain = opossum({});
  const mollitiaBreaker = through(new mollitia.SlidingCountBreaker());
  const retry = new Retry();
  const cockatielRetry = cockatiel.retry(cockatiel.handleAll, { maxAttempts: 3 });
  const mollitiaRetry = through(new mollitia.Retry({ attempts: 3 }));
  const bulkhead = new Bulkhead();
  const cockatielBulkhead = cockatiel.bulkhead(10, 100);
  const mollitiaBulkhead = through(new mollitia.Bulkhead({ concurrentSize: 10, queueSize: 100 }));
  const opossumBulkhead = opossum({ capacity: 10 });
  const limit = pLimit(10);
  const abandoning = new Timeout({ mode: 'abandon' });
  const cancelling = new Timeout({ mode: 'cancel' });
  const opossumTimeout = opossum({ timeout: 30_000 });
  const mollitiaTimeout = through(new mollitia.Timeout({ delay: 30_000 }));
  const cockatielAggressive = cockatiel.timeout(30_000, cockatiel.TimeoutStrategy.Aggressive);
  const cockatielCooperative = cockatiel.timeout(30_000, cockatiel.TimeoutStrategy.Cooperative);
  const opossumStack = opossum({ timeout: 30_000, capacity: 10 });
  const mollitiaStack = through(
    new mollitia.SlidingCountBreaker(),
    new mollitia.Bulkhead({ concurrentSize: 10, queueSize: 100 }),
    new mollitia.Timeout({ delay: 30_000 }),
    new mollitia.Retry({ attempts: 3 }),
  );
  return [
    {
      id: 'breaker', title: 'circuit breaker, closed', target: 3.4, baseline: bare,
      contenders: [
        { name: 'an identity wrapper', call: () => identity(op) },
        { name: OURS, call: () => breaker.execute(op) },
        { name: 'cockatiel', call: () => cockatielConsecutive.execute(op) },
        { name: 'cockatiel (sampling)', call: () => cockatielSampling.execute(op) },
        { name: 'opossum', call: () => opossumPlain.fire() },
        { name: 'mollitia', call: () => mollitiaBreaker.execute() },
      ],
    },
    {
      id: 'retry', title: 'retry, the first attempt succeeds', target: 3.9, baseline: bare,
      contenders: [
        { name: OURS, call: () => retry.execute(op) },
        { name: 'cockatiel', call: () => cockatielRetry.execute(op) },
        { name: 'mollitia', call: () => mollitiaRetry.execute() },
        { name: 'p-retry', call: () => pRetry(op, { retries: 3 }) },
      ],
    },
    {
      id: 'bulkhead', title: 'bulkhead, a free slot', target: 2.8, baseline: bare,
      contenders: [
        { name: OURS, call: () => bulkhead.execute(op) },
        { name: 'cockatiel', call: () => cockatielBulkhead.execute(op) },
        { name: 'p-limit', call: () => limit(op) },
        { name: 'opossum', call: () => opossumBulkhead.fire() },
        { name: 'mollitia', call: () => mollitiaBulkhead.execute() },
      ],
    },
    {
      id: 'timeout', title: 'timeout, in time', target: 11, baseline: bare,
      contenders: [
        { name: OURS, call: () => abandoning.execute(op) },
        { name: `${OURS} (mode cancel)`, call: () => cancelling.execute(op) },
        { name: 'cockatiel (aggressive)', call: () => cockatielAggressive.execute(op) },
        { name: 'cockatiel (cooperative)', call: () => cockatielCooperative.execute(op) },
        { name: 'opossum', call: () => opossumTimeout.fire() },
        { name: 'mollitia', call: () => mollitiaTimeout.execute() },
      ],
    },
    {
      id: 'stack', title: 'breaker, bulkhead, timeout and retry', target: 20, baseline: bare,
      contenders: [
        { name: OURS, call: () => ours.execute(op) },
        { name: `${OURS} (facade)`, call: () => facade.execute(undefined, op) },
        { name: 'cockatiel', call: () => cockatielStack.execute(op) },
        { name: 'opossum (no retry)', call: () => opossumStack.fire() },
        { name: 'mollitia', call: () => mollitiaStack.execute() },
      ],
    },
  ];
}

/** The cache alone, and in front of the four. */
function cached(): Case[] {
  const cache = new Cache({ ttlMs: HOUR });
  const facade = new ResilienceFacade<number>({ cache: { ttlMs: HOUR } });
  const missing = new ResilienceFacade<number>({ cache: { ttlMs: HOUR, maxEntries: 100 } });
  const stale = new ResilienceFacade<number>({ cache: { ttlMs: 0 } });
  const lru = new LRUCache<string, number>({ max: 1000, ttl: HOUR, fetchMethod: op });
  const opossumCache = opossum({ cache: true, cacheTTL: HOUR, cacheGetKey: () => 'key' });
  const mollitiaCache = through(new mollitia.Cache({ ttl: HOUR, cacheClearInterval: HOUR }));
  const single = cockatiel.wrap(
    cockatiel.circuitBreaker(cockatiel.handleAll, { halfOpenAfter: HOUR, breaker: new cockatiel.ConsecutiveBreaker(5) }),
    cockatiel.bulkhead(10, 100),
    cockatiel.timeout(30_000, cockatiel.TimeoutStrategy.Aggressive),
    cockatiel.retry(cockatiel.handleAll, { maxAttempts: 3 }),
  );
  const fetching = new LRUCache<string, number>({ max: 100, ttl: HOUR, fetchMethod: () => single.execute(op) });
  let next = 0;
  const newKey = (): string => `key-${next++}`;
  return [
    {
      id: 'cache-hit', title: 'cache, a hit', target: 3.6, baseline: bare,
      contenders: [
        { name: OURS, call: () => cache.execute(op, { key: 'key' }), prepare: async () => { await cache.execute(op, { key: 'key' }); } },
        { name: 'lru-cache (fetch)', call: () => lru.fetch('key') },
        { name: 'opossum', call: () => opossumCache.fire() },
        { name: 'mollitia', call: () => mollitiaCache.execute('key') },
      ],
    },
    {
      id: 'facade-hit', title: 'the whole facade, a cache hit', baseline: bare,
      contenders: [{ name: OURS, call: () => facade.execute('key', op) }],
    },
    {
      id: 'facade-miss', title: 'the whole facade, a cache miss', baseline: bare,
      contenders: [
        { name: OURS, call: () => missing.execute(newKey(), op) },
        { name: 'lru-cache (fetch) and cockatiel', call: () => fetching.fetch(newKey()) },
      ],
    },
    {
      id: 'facade-stale', title: 'the whole facade, a stale hit with its refresh', baseline: bare,
      contenders: [{ name: OURS, call: () => stale.execute('key', op) }],
    },
  ];
}

function rejections(): Case[] {
  const breaker = new CircuitBreaker({ resetTimeoutMs: HOUR });
  breaker.forceOpen();
  const opened = new CircuitBreaker({ failureThreshold: 1, resetTimeoutMs: HOUR });
  const cockatielOpen = cockatiel.circuitBreaker(cockatiel.handleAll, {
    halfOpenAfter: HOUR, breaker: new cockatiel.ConsecutiveBreaker(1),
  });
  const opossumOpen = opossum({ resetTimeout: HOUR });
  const mollitiaOpen = new mollitia.Circuit({
    options: { modules: [new mollitia.SlidingCountBreaker({ slidingWindowSize: 1, minimumNumberOfCalls: 1, openStateDelay: HOUR })] },
  }).fn(fail);
  opossumOpen.open();
  const openAll = async (): Promise<void> => {
    await Promise.allSettled([opened.execute(fail), cockatielOpen.execute(fail), mollitiaOpen.execute()]);
  };
  const forever = (): Promise<number> => new Promise(() => undefined);
  const bulkhead = new Bulkhead({ maxConcurrentCalls: 1, maxQueueSize: 0 });
  const cockatielFull = cockatiel.bulkhead(1, 0);
  const opossumFull = opossum({ capacity: 1 }, forever);
  const mollitiaFull = new mollitia.Circuit({
    options: { modules: [new mollitia.Bulkhead({ concurrentSize: 1, queueSize: 0 })] },
  }).fn(forever);
  void bulkhead.execute(forever);
  void cockatielFull.execute(forever);
  void opossumFull.fire();
  void mollitiaFull.execute();
  return [
    {
      id: 'breaker-open', title: 'rejection by an open breaker', target: 50, baseline: bare,
      contenders: [
        { name: OURS, call: () => opened.execute(op), rejects: true, prepare: openAll },
        { name: 'cockatiel', call: () => cockatielOpen.execute(op), rejects: true },
        { name: 'opossum', call: () => opossumOpen.fire(), rejects: true },
        { name: 'mollitia', call: () => mollitiaOpen.execute(), rejects: true },
      ],
    },
    {
      id: 'bulkhead-full', title: 'rejection by a full bulkhead', baseline: bare,
      contenders: [
        { name: OURS, call: () => bulkhead.execute(op), rejects: true },
        { name: 'cockatiel', call: () => cockatielFull.execute(op), rejects: true },
        { name: 'opossum', call: () => opossumFull.fire(), rejects: true },
        { name: 'mollitia', call: () => mollitiaFull.execute(), rejects: true },
      ],
    },
  ];
}

function retrying(): Case[] {
  const retry = new Retry({ initialDelayMs: 0 });
  const peer = cockatiel.retry(cockatiel.handleAll, { maxAttempts: 3, backoff: new cockatiel.ConstantBackoff(0) });
  const module = new mollitia.Circuit({ options: { modules: [new mollitia.Retry({ attempts: 3, interval: 0 })] } }).fn(failing());
  const [mine, cockatiels, retried] = [failing(), failing(), failing()];
  return [
    {
      id: 'retry-three-failures', title: 'retry, three failures then success, no delay', baseline: bare,
      contenders: [
        { name: OURS, call: () => retry.execute(mine) },
        { name: 'cockatiel', call: () => peer.execute(cockatiels) },
        { name: 'mollitia', call: () => module.execute() },
        { name: 'p-retry', call: () => pRetry(retried, { retries: 3, minTimeout: 0, factor: 1 }) },
      ],
    },
  ];
}

/** Many calls at once, whose operation takes a turn of the event loop; ten of them may run. */
function contention(): Case[] {
  const AT_ONCE = 1000;
  const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve); });
  const crowd = (name: string, call: () => PromiseLike<unknown>): Contender => ({
    name, operations: AT_ONCE, call: () => Promise.all(Array.from({ length: AT_ONCE }, call)),
  });
  const bulkhead = new Bulkhead({ maxConcurrentCalls: 10, maxQueueSize: AT_ONCE });
  const peer = cockatiel.bulkhead(10, AT_ONCE);
  const module = new mollitia.Circuit({
    options: { modules: [new mollitia.Bulkhead({ concurrentSize: 10, queueSize: AT_ONCE, maxQueueWait: HOUR })] },
  }).fn(turn);
  const limit = pLimit(10);
  const timeout = new Timeout();
  const aggressive = cockatiel.timeout(30_000, cockatiel.TimeoutStrategy.Aggressive);
  const mollitiaTimeout = new mollitia.Circuit({ options: { modules: [new mollitia.Timeout({ delay: 30_000 })] } }).fn(turn);
  const opossumTimeout = new Opossum(turn, { timeout: 30_000, enableSnapshots: false, rollingPercentilesEnabled: false });
  return [
    {
      id: 'contention-bulkhead', title: '1,000 calls at once through a bulkhead of 10', baseline: crowd('all at once', turn),
      contenders: [
        crowd(OURS, () => bulkhead.execute(turn)),
        crowd('cockatiel', () => peer.execute(turn)),
        crowd('p-limit', () => limit(turn)),
        crowd('mollitia', () => module.execute()),
      ],
    },
    {
      id: 'contention-timeout', title: '1,000 calls at once under a timeout', baseline: crowd('all at once', turn),
      contenders: [
        crowd(OURS, () => timeout.execute(turn)),
        crowd('cockatiel (aggressive)', () => aggressive.execute(turn)),
        crowd('opossum', () => opossumTimeout.fire()),
        crowd('mollitia', () => mollitiaTimeout.execute()),
      ],
    },
  ];
}

/** The cost of a call must not grow with the window. */
function windows(): Case[] {
  const windowed = (window: Window): Contender['call'] => {
    const breaker = new CircuitBreaker({ window });
    return () => breaker.execute(op);
  };
  const sliding = (slidingWindowSize: number): Contender['call'] => {
    const circuit = through(new mollitia.SlidingCountBreaker({ slidingWindowSize }));
    return () => circuit.execute();
  };
  const counted = [10, 1000, 100_000].map((size): Case => ({
    id: `window-count-${size}`, title: `circuit breaker, closed, count window of ${size}`, baseline: bare,
    contenders: [
      { name: OURS, call: windowed({ kind: 'count', size, minimumCalls: 10 }) },
      // Its cost grows with the window, which must be filled first: not of the largest.
      ...(size <= 1000 ? [{ name: 'mollitia', call: sliding(size) }] : []),
    ],
  }));
  const timed = [10, 1000].map((buckets): Case => ({
    id: `window-time-${buckets}`, title: `circuit breaker, closed, time window of ${buckets} buckets`, baseline: bare,
    contenders: [{ name: OURS, call: windowed({ kind: 'time', durationMs: 60_000, buckets }) }],
  }));
  return [...counted, ...timed];
}

export function cases(): Case[] {
  return [...successes(), ...cached(), ...rejections(), ...retrying(), ...contention(), ...windows()];
}
