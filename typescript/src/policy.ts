/** What all policies have in common: a name, listeners, and the way to call through them. */

import { Call, type CallOptions, type Operation } from './call.js';
import { systemClock, type Clock } from './clock.js';
import { CancelledError, ConfigurationError, type RejectedError } from './errors.js';
import { Listeners, type Listener } from './events.js';

/** Options of every policy. */
export interface PolicyOptions {
  /** Default: the pattern's name. */
  readonly name?: string;
  readonly listeners?: readonly Listener[];
  readonly clock?: Clock;
}

export const POLICY_OPTIONS = ['name', 'listeners', 'clock'] as const;

/** Anything a call can go through: a policy, or a composition of several. */
export abstract class Layer {
  abstract readonly name: string;

  /**
   * Runs an operation. Rejects with what the operation throws, unchanged, and with this package's errors.
   * A call whose signal is aborted already rejects with CancelledError and runs nothing (GN-6).
   */
  execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T> {
    const signal = options?.signal;
    if (signal?.aborted) return Promise.reject(new CancelledError(this.name, signal.reason));
    return this.begin(new Call(options?.key, signal, operation)) as Promise<T>;
  }

  /** The function under this policy. `key` makes a cache's key from the arguments. */
  wrap<A extends unknown[], T>(
    fn: (...args: A) => T | PromiseLike<T>,
    key?: (...args: A) => string,
  ): (...args: A) => Promise<T> {
    return (...args) => this.execute(() => fn(...args), { key: key?.(...args) });
  }

  /** Adds a listener for every event from here on (EV-4); returns what removes it again. */
  abstract addListener(listener: Listener): () => void;

  /**
   * Sends a call on its way.
   *
   * @internal
   */
  abstract begin(call: Call): Promise<unknown>;
}

/** One pattern with its options. May be shared by any number of calls. */
export abstract class Policy extends Layer {
  readonly name: string;
  protected readonly clock: Clock;
  protected readonly listeners: Listeners;

  constructor(
    readonly pattern: string,
    options: PolicyOptions,
  ) {
    super();
    if (options.name !== undefined && typeof options.name !== 'string') {
      throw new ConfigurationError('type', `${pattern}.name`, options.name, 'a string');
    }
    this.name = options.name ?? pattern;
    this.clock = options.clock ?? systemClock;
    this.listeners = new Listeners(options.listeners);
  }

  addListener(listener: Listener): () => void {
    return this.listeners.add(listener);
  }

  /** @internal */
  begin(call: Call): Promise<unknown> {
    return this.run(call.operation, call);
  }

  /**
   * A call passes through; `operation` is what is inside.
   *
   * @internal
   */
  abstract run<T>(operation: Operation<T>, call: Call): Promise<T>;
}

/**
 * Rejects a moment later, when the caller listens: a promise that is rejected before anybody does makes Node keep books of it,
 * which costs more than the rest of a refusal.
 */
export function refused(error: RejectedError): Promise<never> {
  return new Promise((_, reject) => {
    queueMicrotask(() => {
      reject(error);
    });
  });
}
