/** Bytes of the heap that things keep, after a collection. */

import * as cockatiel from 'cockatiel';
import { LRUCache } from 'lru-cache';
import Opossum from 'opossum';
import pLimit from 'p-limit';

import { Bulkhead, Cache, CircuitBreaker, ResilienceFacade, Retry, Timeout } from '../dist/index.js';
import { OURS } from './peers.js';

export interface MemoryCase {
  readonly id: string;
  readonly title: string;
  readonly results: readonly { readonly name: string; readonly value: number }[];
}

const op = async (): Promise<number> => 1;

function heapUsed(): number {
  if (globalThis.gc === undefined) throw new Error('to be run with --expose-gc');
  for (let i = 0; i < 4; i++) globalThis.gc();
  return process.memoryUsage().heapUsed;
}

/** Bytes that `fill` adds, divided by `count`. */
async function grown(count: number, fill: () => unknown): Promise<number> {
  const before = heapUsed();
  const kept = await fill();
  const after = heapUsed();
  if (kept === undefined) throw new Error('what is measured must be kept');
  return Math.round((after - before) / count);
}

async function each(count: number, build: (index: number) => unknown): Promise<number> {
  build(-1); // what is made once for all
  return grown(count, () => Array.from({ length: count }, (_, index) => build(index))).then((bytes) => bytes - 8);
}

const COUNT = 10_000;

export async function memory(): Promise<MemoryCase[]> {
  const policies: [string, string, [string, () => unknown][]][] = [
    ['breaker', 'one circuit breaker', [
      [OURS, () => new CircuitBreaker()],
      ['cockatiel', () => cockatiel.circuitBreaker(cockatiel.handleAll, { halfOpenAfter: 1, breaker: new cockatiel.ConsecutiveBreaker(5) })],
      ['opossum', () => new Opossum(op, { enableSnapshots: false, rollingPercentilesEnabled: false, rotateBucketController: rotate })],
    ]],
    ['retry', 'one retry', [
      [OURS, () => new Retry()],
      ['cockatiel', () => cockatiel.retry(cockatiel.handleAll, { maxAttempts: 3 })],
    ]],
    ['bulkhead', 'one bulkhead', [
      [OURS, () => new Bulkhead()],
      ['cockatiel', () => cockatiel.bulkhead(10, 100)],
      ['p-limit', () => pLimit(10)],
    ]],
    ['timeout', 'one timeout', [
      [OURS, () => new Timeout()],
      ['cockatiel', () => cockatiel.timeout(30_000, cockatiel.TimeoutStrategy.Aggressive)],
    ]],
    ['cache', 'one cache, empty', [
      [OURS, () => new Cache()],
      ['lru-cache', () => new LRUCache({ max: 1000, ttl: 60_000 })],
    ]],
    ['facade', 'one facade', [[OURS, () => new ResilienceFacade()]]],
  ];
  const found: MemoryCase[] = [];
  for (const [id, what, builders] of policies) {
    const results = [];
    for (const [name, build] of builders) results.push({ name, value: await each(name === 'opossum' ? 500 : COUNT, build) });
    found.push({ id: `bytes-per-${id}`, title: `bytes of ${what}`, results });
  }
  const ours = new Cache({ ttlMs: 3_600_000, maxEntries: 100_000 });
  const lru = new LRUCache<string, number>({ max: 100_000, ttl: 3_600_000 });
  found.push({
    id: 'bytes-per-entry', title: 'bytes of one cached entry with its key, of 100,000',
    results: [
      { name: OURS, value: await grown(100_000, () => fill(100_000, (key) => ours.execute(op, { key }))) },
      { name: 'lru-cache', value: await grown(100_000, () => fill(100_000, (key) => { lru.set(key, 1); })) },
    ],
  });
  found.push({ id: 'bytes-per-queued', title: 'bytes of one call that waits in a bulkhead, of 10,000', results: await queued() });
  const bounded = new Cache({ ttlMs: 3_600_000, maxEntries: 1000 });
  const boundedLru = new LRUCache<string, number>({ max: 1000, ttl: 3_600_000 });
  await fill(2000, (key) => bounded.execute(op, { key }));
  await fill(2000, (key) => { boundedLru.set(key, 1); });
  found.push({
    id: 'million-keys', title: 'bytes that a full cache of 1,000 grows by over a million further keys',
    results: [
      { name: OURS, value: await grown(1, () => fill(1_000_000, (key) => bounded.execute(op, { key }))) },
      { name: 'lru-cache', value: await grown(1, () => fill(1_000_000, (key) => { boundedLru.set(key, 1); })) },
    ],
  });
  if (ours.stats().size + lru.size + bounded.stats().size + boundedLru.size !== 202_000) throw new Error('an entry is missing');
  return found;
}

const rotate = new (await import('node:events')).EventEmitter().setMaxListeners(0);

async function fill(count: number, put: (key: string) => unknown): Promise<true> {
  for (let i = 0; i < count; i++) await put(`key-${i}`);
  return true;
}

/** A queue of calls behind one that does not end. */
async function queued(): Promise<{ name: string; value: number }[]> {
  const forever = (): Promise<never> => new Promise(() => undefined);
  const bulkhead = new Bulkhead({ maxConcurrentCalls: 1, maxQueueSize: COUNT });
  const peer = cockatiel.bulkhead(1, COUNT);
  const limit = pLimit(1);
  const results = [];
  for (const [name, call] of [
    [OURS, () => bulkhead.execute(forever)],
    ['cockatiel', () => peer.execute(forever)],
    ['p-limit', () => limit(forever)],
  ] as const) {
    void call();
    results.push({ name, value: await each(COUNT - 1, call) });
  }
  return results;
}
