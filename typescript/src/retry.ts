/** Retry with exponential backoff: repeats a failed operation after growing delays (RT). */

import { isCancellation, start, type Call, type Operation } from './call.js';
import { microsecondsNow, type Clock } from './clock.js';
import { CancelledError, ConfigurationError, RejectedError } from './errors.js';
import { buildMatcher, retryAfterHint, type Compile, type Pattern } from './matching.js';
import { boolean, callable, integer, known, microseconds, number, optionalCallable, optionalMicroseconds, word } from './options.js';
import { POLICY_OPTIONS, Policy, type PolicyOptions } from './policy.js';

export type Jitter = 'none' | 'full' | 'equal' | 'decorrelated';

export interface RetryOptions extends PolicyOptions {
  /** Retries after the first attempt, at least 0; default 3. */
  readonly maxRetries?: number;
  /** Before the first retry, at least 0; default 1000. */
  readonly initialDelayMs?: number;
  /** The longest delay, at least 0; default 10,000. */
  readonly maxDelayMs?: number;
  /** By which each delay grows, 1 to 1000; default 2. */
  readonly backoffFactor?: number;
  /** Default `none`. */
  readonly jitter?: Jitter;
  /** The errors to retry (RT-6); undefined: every failure; empty: none. */
  readonly retryableErrors?: readonly Pattern[];
  /** Decides instead of `retryableErrors`. */
  readonly isRetryable?: (error: unknown) => boolean;
  /** Retries also what a policy inside refused; default false. */
  readonly retryRejections?: boolean;
  /** An error that asks to wait longer than this ends the retrying; default 60,000. */
  readonly maxRetryAfterMs?: number;
  /** No retry begins later than this after the first attempt. */
  readonly maxElapsedMs?: number;
  /** Numbers in [0, 1) for the jitter; default Math.random. */
  readonly random?: () => number;
  /** Compiles the regexes among the patterns; default RegExp. */
  readonly compileRegex?: Compile;
}

const OPTIONS = [
  ...POLICY_OPTIONS,
  'maxRetries',
  'initialDelayMs',
  'maxDelayMs',
  'backoffFactor',
  'jitter',
  'retryableErrors',
  'isRetryable',
  'retryRejections',
  'maxRetryAfterMs',
  'maxElapsedMs',
  'random',
  'compileRegex',
] as const;

interface Backoff {
  readonly initialMs: number;
  readonly maxMs: number;
  readonly factor: number;
  readonly jitter: Jitter;
  readonly random: () => number;
}

/** The delays before retry 1, 2, ... in whole milliseconds (RT-2 to RT-4). Endless. */
function* delays({ initialMs, maxMs, factor, jitter, random }: Backoff): Generator<number, never> {
  let delay = jitter === 'decorrelated' ? initialMs : Math.min(initialMs, maxMs);
  for (;;) {
    switch (jitter) {
      case 'none':
        yield Math.trunc(delay);
        break;
      case 'full':
        yield Math.trunc(random() * delay);
        break;
      case 'equal':
        yield Math.trunc(delay / 2 + random() * (delay / 2));
        break;
      case 'decorrelated':
        delay = Math.min(maxMs, initialMs + random() * (3 * delay - initialMs));
        yield Math.trunc(delay);
    }
    if (jitter !== 'decorrelated') delay = Math.min(delay * factor, maxMs);
  }
}

/**
 * Repeats a failed operation.
 *
 * @throws ConfigurationError for an option outside its range.
 */
export class Retry extends Policy {
  readonly #maxRetries: number;
  readonly #backoff: Backoff;
  readonly #matches: ((error: unknown) => boolean) | undefined;
  readonly #retryRejections: boolean;
  readonly #maxHint: number;
  readonly #maxElapsed: number | undefined;

  constructor(options: RetryOptions = {}) {
    super('retry', options);
    known('retry', options, OPTIONS);
    const { retryableErrors, isRetryable, compileRegex, random = Math.random } = options;
    this.#maxRetries = integer('retry.max_retries', options.maxRetries ?? 3, 0);
    this.#backoff = {
      initialMs: microseconds('retry.initial_delay_ms', options.initialDelayMs ?? 1000, 0) / 1000,
      maxMs: microseconds('retry.max_delay_ms', options.maxDelayMs ?? 10_000, 0) / 1000,
      factor: number('retry.backoff_factor', options.backoffFactor ?? 2, 1, 1000),
      jitter: word<Jitter>('retry.jitter', options.jitter ?? 'none', ['none', 'full', 'equal', 'decorrelated']),
      random: callable('retry.random', random),
    };
    if (isRetryable !== undefined && retryableErrors !== undefined) {
      throw new ConfigurationError('conflict', 'retry.is_retryable', isRetryable, 'not with retryable_errors');
    }
    this.#matches =
      retryableErrors === undefined
        ? optionalCallable('retry.is_retryable', isRetryable)
        : buildMatcher('retry.retryable_errors', retryableErrors, compileRegex);
    this.#retryRejections = boolean('retry.retry_rejections', options.retryRejections ?? false);
    this.#maxHint = microseconds('retry.max_retry_after_ms', options.maxRetryAfterMs ?? 60_000, 0);
    this.#maxElapsed = optionalMicroseconds('retry.max_elapsed_ms', options.maxElapsedMs, 0);
  }

  /** @internal */
  run<T>(operation: Operation<T>, call: Call): Promise<T> {
    // A clock is read, and delays are kept, only once something has failed or a time limit asks for it.
    const began = this.#maxElapsed === undefined ? 0 : microsecondsNow(this.clock);
    return start(operation, call).then(undefined, (error: unknown) => this.#retry(operation, call, error, began));
  }

  /** Goes on after the first attempt, which failed. */
  async #retry<T>(operation: Operation<T>, call: Call, failure: unknown, began: number): Promise<T> {
    const sequence = delays(this.#backoff);
    let error = failure;
    for (let attempt = 1; ; attempt++) {
      // An operation that failed after its caller gave up is not repeated either (RT-9).
      if (call.aborted || isCancellation(error, call) || !this.#retryable(error)) throw error;
      const delay = this.#nextDelay(sequence, attempt, error, began);
      if (delay === undefined) throw error;
      if (delay > 0) await sleep(this.clock, delay / 1000, call);
      if (call.aborted) throw new CancelledError(this.name, call.reason);
      try {
        return await operation(call);
      } catch (again) {
        error = again;
      }
    }
  }

  #retryable(error: unknown): boolean {
    if (error instanceof RejectedError) return this.#retryRejections;
    return this.#matches?.(error) ?? true;
  }

  /** Microseconds until the next attempt; undefined when there is none. */
  #nextDelay(sequence: Generator<number, never>, attempt: number, error: unknown, began: number): number | undefined {
    if (attempt > this.#maxRetries) { this.#exhausted(attempt, 'max_retries', error); return; }
    const hint = Math.round((retryAfterHint(error) ?? 0) * 1000);
    if (hint > this.#maxHint) { this.#exhausted(attempt, 'retry_after', error); return; }
    const delay = Math.max(sequence.next().value * 1000, hint);
    if (this.#maxElapsed !== undefined && microsecondsNow(this.clock) - began + delay > this.#maxElapsed) {
      this.#exhausted(attempt, 'max_elapsed', error); return;
    }
    this.listeners.emit({ type: 'retry_scheduled', policy: this.name, attempt, delayMs: delay / 1000, error });
    return delay;
  }

  #exhausted(attempt: number, reason: string, error: unknown): undefined {
    this.listeners.emit({ type: 'retry_exhausted', policy: this.name, attempt, reason, error });
  }
}

/** Resolves after a time, or as soon as the caller gives up. */
function sleep(clock: Clock, ms: number, call: Call): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.setTimeout(end, ms);
    const unsubscribe = call.onAbort(end);
    function end(): void {
      clock.clearTimeout(timer);
      unsubscribe();
      resolve();
    }
  });
}
