/** The facade: all patterns around one dependency, in their proven order (FA). */

import { Bulkhead, type BulkheadOptions } from './bulkhead.js';
import { Cache, type CacheOptions } from './cache.js';
import { Call, type Operation } from './call.js';
import { CircuitBreaker, type CircuitBreakerOptions, type CircuitState } from './circuit-breaker.js';
import { Composition } from './compose.js';
import { CancelledError, ConfigurationError } from './errors.js';
import type { Listener } from './events.js';
import { Fallback, type FallbackHandler } from './fallback.js';
import { known, mapping } from './options.js';
import type { PolicyOptions } from './policy.js';
import { Retry, type RetryOptions } from './retry.js';
import { Timeout, type TimeoutOptions } from './timeout.js';

type Section<O> = Omit<O, keyof PolicyOptions> | null;

/** Left out, a section has its pattern's defaults; null turns it off (FA-2). */
export interface FacadeOptions extends PolicyOptions {
  readonly circuitBreaker?: Section<CircuitBreakerOptions>;
  readonly retry?: Section<RetryOptions>;
  readonly bulkhead?: Section<BulkheadOptions>;
  readonly timeout?: Section<TimeoutOptions>;
  readonly cache?: Section<CacheOptions>;
}

/** FA-6; what is off is absent. */
export interface FacadeStatus {
  readonly circuitState?: CircuitState;
  readonly concurrentExecutions?: number;
  readonly queueSize?: number;
}

/**
 * Fallback, cache, circuit breaker, bulkhead, timeout and retry around the operations of one dependency.
 *
 * @throws ConfigurationError for an option outside its range, or an unknown one.
 */
export class ResilienceFacade<T = unknown> {
  readonly name: string;
  readonly circuitBreaker: CircuitBreaker | null;
  readonly retry: Retry | null;
  readonly bulkhead: Bulkhead | null;
  readonly timeout: Timeout | null;
  readonly cache: Cache | null;
  readonly #fallback: Fallback;
  readonly #inside: Composition;
  readonly #guarded: Operation<T> = (context) => this.#inside.begin(context as Call) as Promise<T>;

  constructor(options: FacadeOptions = {}) {
    known('facade', options, ['name', 'listeners', 'clock', 'circuitBreaker', 'retry', 'bulkhead', 'timeout', 'cache']);
    const { name = 'facade', circuitBreaker, retry, bulkhead, timeout, cache } = options;
    if (typeof name !== 'string') throw new ConfigurationError('type', 'facade.name', name, 'a string');
    this.name = name;
    const common: PolicyOptions = { name: this.name, ...(options.clock && { clock: options.clock }) };
    for (const [section, given] of Object.entries({ circuit_breaker: circuitBreaker, retry, bulkhead, timeout, cache })) {
      // What is no mapping would be spread below, and be without effect.
      if (given !== undefined && given !== null) mapping(section, given, 'a mapping of options, or null');
    }
    this.circuitBreaker = circuitBreaker === null ? null : new CircuitBreaker({ ...circuitBreaker, ...common });
    this.retry = retry === null ? null : new Retry({ ...retry, ...common });
    this.bulkhead = bulkhead === null ? null : new Bulkhead({ ...bulkhead, ...common });
    this.timeout = timeout === null ? null : new Timeout({ ...timeout, ...common });
    this.cache = cache === null ? null : new Cache({ ...cache, ...common });
    this.#fallback = new Fallback(rethrow, common);
    const order = [this.cache, this.circuitBreaker, this.bulkhead, this.timeout, this.retry];
    this.#inside = new Composition(order.filter((policy) => policy !== null));
    for (const listener of options.listeners ?? []) this.addListener(listener);
  }

  /** Runs an operation under all patterns. `key` undefined passes the cache by; `fallback` receives the error. */
  execute(
    key: string | undefined,
    operation: Operation<T>,
    fallback?: FallbackHandler<T>,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<T> {
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(new CancelledError(this.name, signal.reason));
    const call = new Call(key, signal, operation);
    if (fallback === undefined) return this.#inside.begin(call) as Promise<T>;
    return this.#fallback.runWith(fallback, this.#guarded, call);
  }

  /** The circuit's state and the bulkhead's load (FA-6). */
  status(): FacadeStatus {
    return {
      ...(this.circuitBreaker && { circuitState: this.circuitBreaker.state }),
      ...(this.bulkhead?.stats() ?? {}),
    };
  }

  /** Forgets the cached value of a key (FA-7). */
  invalidateCache(key: string): void {
    this.cache?.invalidate(key);
  }

  /** Cancels the cache's refreshes under way (CA-12). */
  close(): void {
    this.cache?.close();
  }

  /** Adds a listener for the events of every pattern (EV-4); returns what removes it again. */
  addListener(listener: Listener): () => void {
    const removals = [this.#fallback.addListener(listener), this.#inside.addListener(listener)];
    return () => {
      for (const remove of removals) remove();
    };
  }
}

function rethrow(error: unknown): never {
  throw error;
}
