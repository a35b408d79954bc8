/** What a closed circuit counts, and when that is enough to open it (CB-1 to CB-5). Pure: the time is handed in. */

import { ConfigurationError } from './errors.js';
import { integer, known, microseconds, number, word } from './options.js';

export type WindowKind = 'consecutive' | 'cumulative' | 'count' | 'time';

/** How a closed circuit counts; the defaults are those of the specification. */
export interface Window {
  readonly kind: WindowKind;
  /** `count`: the last outcomes looked at, 1 to 1,000,000; default 100. */
  readonly size?: number;
  /** `time`: how far back is looked, at least 1; default 60,000. */
  readonly durationMs?: number;
  /** `time`: in how many steps the window moves, 1 to 1000; default 10. */
  readonly buckets?: number;
  /** `count`, `time`: outcomes before a rate is looked at; default 10, at most `size`. */
  readonly minimumCalls?: number;
  /** `count`, `time`: opens at this share of failures, above 0, at most 1; default 0.5. */
  readonly failureRate?: number;
}

/** A call that takes `durationMs` or longer is slow; the circuit opens at `rate` (default 1) of slow calls. */
export interface SlowCall {
  readonly durationMs: number;
  readonly rate?: number;
}

export interface Counts {
  readonly failures: number;
  readonly successes: number;
}

/** The counts of one generation of a closed circuit. Times are whole microseconds. */
export interface Counter {
  /** Whether a success that is counted needs the time. */
  readonly timesSuccesses: boolean;
  /** Counts one outcome; returns the reason to open, if this is one. */
  record(now: number, failed: boolean, slow: boolean): string | undefined;
  /** Changes nothing. */
  counts(now: number): Counts;
  clear(): void;
}

const OPTIONS_OF_KIND: Record<WindowKind, readonly string[]> = {
  consecutive: [],
  cumulative: [],
  count: ['size', 'minimumCalls', 'failureRate'],
  time: ['durationMs', 'buckets', 'minimumCalls', 'failureRate'],
};
const SPEC_NAME: Record<string, string> = {
  size: 'size',
  durationMs: 'duration_ms',
  buckets: 'buckets',
  minimumCalls: 'minimum_calls',
  failureRate: 'failure_rate',
};

/** CB-1, and CB-2 where `cumulative`. */
class ThresholdCounter implements Counter {
  readonly timesSuccesses = false;
  #failures = 0;

  constructor(
    private readonly threshold: number,
    private readonly cumulative: boolean,
  ) {}

  record(_now: number, failed: boolean): string | undefined {
    if (failed) {
      this.#failures++;
      if (this.#failures >= this.threshold) return 'failure_threshold';
    } else if (!this.cumulative) {
      this.#failures = 0;
    }
    return undefined;
  }

  counts(): Counts {
    return { failures: this.#failures, successes: 0 };
  }

  clear(): void {
    this.#failures = 0;
  }
}

interface Limits {
  readonly minimumCalls: number;
  readonly failureRate: number;
  readonly slowRate: number | undefined;
}

function reasonToOpen(limits: Limits, calls: number, failures: number, slow: number): string | undefined {
  if (calls < limits.minimumCalls) return undefined;
  if (failures / calls >= limits.failureRate) return 'failure_rate';
  if (limits.slowRate !== undefined && slow / calls >= limits.slowRate) return 'slow_call_rate';
  return undefined;
}

const FAILED = 1;
const SLOW = 2;

/** CB-3: a ring of the last `size` outcomes. */
class CountCounter implements Counter {
  readonly timesSuccesses = true; // it may be the one that makes the calls enough to open
  readonly #ring: Uint8Array;
  #next = 0;
  #calls = 0;
  #failures = 0;
  #slow = 0;

  constructor(
    size: number,
    private readonly limits: Limits,
  ) {
    this.#ring = new Uint8Array(size);
  }

  record(_now: number, failed: boolean, slow: boolean): string | undefined {
    if (this.#calls === this.#ring.length) {
      const old = this.#ring[this.#next] ?? 0;
      if (old & FAILED) this.#failures--;
      if (old & SLOW) this.#slow--;
    } else {
      this.#calls++;
    }
    this.#ring[this.#next] = (failed ? FAILED : 0) | (slow ? SLOW : 0);
    this.#next = this.#next + 1 === this.#ring.length ? 0 : this.#next + 1;
    if (failed) this.#failures++;
    if (slow) this.#slow++;
    return reasonToOpen(this.limits, this.#calls, this.#failures, this.#slow);
  }

  counts(): Counts {
    return { failures: this.#failures, successes: this.#calls - this.#failures };
  }

  clear(): void {
    this.#next = this.#calls = this.#failures = this.#slow = 0;
  }
}

interface Bucket {
  calls: number;
  failures: number;
  slow: number;
}

function add(counts: Bucket, failed: boolean, slow: boolean): void {
  counts.calls++;
  if (failed) counts.failures++;
  if (slow) counts.slow++;
}

/** CB-4: a ring of buckets; the sums are kept beside it. */
class TimeCounter implements Counter {
  readonly timesSuccesses = true;
  readonly #buckets: Bucket[];
  readonly #sums: Bucket = { calls: 0, failures: 0, slow: 0 };
  readonly #width: number;
  #current = 0;

  constructor(
    private readonly origin: number,
    duration: number,
    buckets: number,
    private readonly limits: Limits,
  ) {
    this.#width = Math.max(1, Math.floor(duration / buckets));
    this.#buckets = Array.from({ length: buckets }, () => ({ calls: 0, failures: 0, slow: 0 }));
  }

  record(now: number, failed: boolean, slow: boolean): string | undefined {
    this.#turn(now);
    add(this.#bucket(this.#current), failed, slow);
    add(this.#sums, failed, slow);
    return reasonToOpen(this.limits, this.#sums.calls, this.#sums.failures, this.#sums.slow);
  }

  counts(now: number): Counts {
    const oldest = this.#index(now) - this.#buckets.length;
    let calls = 0;
    let failures = 0;
    for (let age = 0; age < this.#buckets.length; age++) {
      const held = this.#current - age;
      if (held < 0 || held <= oldest) break;
      const bucket = this.#bucket(held);
      calls += bucket.calls;
      failures += bucket.failures;
    }
    return { failures, successes: calls - failures };
  }

  clear(): void {
    for (const counts of [...this.#buckets, this.#sums]) counts.calls = counts.failures = counts.slow = 0;
  }

  #index(now: number): number {
    return Math.floor((now - this.origin) / this.#width);
  }

  #bucket(index: number): Bucket {
    const bucket = this.#buckets[index % this.#buckets.length];
    if (bucket === undefined) throw new RangeError('a window has at least one bucket');
    return bucket;
  }

  /** Empties the buckets that time has passed since the last outcome. */
  #turn(now: number): void {
    const index = this.#index(now);
    for (let step = 0; step < Math.min(index - this.#current, this.#buckets.length); step++) {
      const bucket = this.#bucket(index - step);
      this.#sums.calls -= bucket.calls;
      this.#sums.failures -= bucket.failures;
      this.#sums.slow -= bucket.slow;
      bucket.calls = bucket.failures = bucket.slow = 0;
    }
    this.#current = Math.max(index, this.#current);
  }
}

/** Checks the options of a window (CB-6) and makes its counter. */
export function buildCounter(
  path: string,
  window: Window,
  threshold: number | undefined,
  slowCall: SlowCall | undefined,
  now: number,
): Counter {
  known(`${path}.window`, window, ['kind', ...Object.keys(SPEC_NAME)]);
  const kind = word<WindowKind>(`${path}.window.kind`, window.kind, ['consecutive', 'cumulative', 'count', 'time']);
  for (const [name, value] of Object.entries(window)) {
    if (name !== 'kind' && value !== undefined && !OPTIONS_OF_KIND[kind].includes(name)) {
      throw new ConfigurationError('conflict', `${path}.window.${SPEC_NAME[name] ?? name}`, value, `not with the window ${kind}`);
    }
  }
  if (slowCall !== undefined) known(`${path}.slow_call`, slowCall, ['durationMs', 'rate']);
  if (kind === 'consecutive' || kind === 'cumulative') {
    if (slowCall !== undefined) {
      throw new ConfigurationError('conflict', `${path}.slow_call`, slowCall, 'only with the windows count and time');
    }
    return new ThresholdCounter(integer(`${path}.failure_threshold`, threshold ?? 5, 1), kind === 'cumulative');
  }
  if (threshold !== undefined) {
    throw new ConfigurationError('conflict', `${path}.failure_threshold`, threshold, `not with the window ${kind}`);
  }
  const size = integer(`${path}.window.size`, window.size ?? 100, 1, 1_000_000);
  const defaultMinimum = kind === 'count' ? Math.min(10, size) : 10;
  const minimumCalls = integer(`${path}.window.minimum_calls`, window.minimumCalls ?? defaultMinimum, 1);
  if (kind === 'count' && minimumCalls > size) {
    throw new ConfigurationError('range', `${path}.window.minimum_calls`, minimumCalls, `1 to size (${size})`);
  }
  const limits: Limits = {
    minimumCalls,
    failureRate: number(`${path}.window.failure_rate`, window.failureRate ?? 0.5, 0, 1, true),
    slowRate: slowCall && number(`${path}.slow_call.rate`, slowCall.rate ?? 1, 0, 1, true),
  };
  if (kind === 'count') return new CountCounter(size, limits);
  const duration = microseconds(`${path}.window.duration_ms`, window.durationMs ?? 60_000, 1);
  return new TimeCounter(now, duration, integer(`${path}.window.buckets`, window.buckets ?? 10, 1, 1000), limits);
}
