/** Fallback: another answer when an operation fails (FB). */

import { isCancellation, start, type Call, type Operation, type OperationContext } from './call.js';
import { callable, known, optionalCallable } from './options.js';
import { POLICY_OPTIONS, Policy, type PolicyOptions } from './policy.js';

/** Receives the error, and the signal of a caller who may give up meanwhile. */
export type FallbackHandler<T = unknown> = (error: unknown, context: OperationContext) => T | PromiseLike<T>;

export interface FallbackOptions extends PolicyOptions {
  /** An error for which it is false passes through untouched. */
  readonly when?: (error: unknown) => boolean;
}

/**
 * Answers with `handler(error)` when the operation fails or is refused.
 *
 * @throws ConfigurationError for a handler or predicate that is no function, or an unknown option.
 */
export class Fallback extends Policy {
  readonly #handler: FallbackHandler;
  readonly #when: ((error: unknown) => boolean) | undefined;

  constructor(handler: FallbackHandler, options: FallbackOptions = {}) {
    super('fallback', options);
    known('fallback', options, [...POLICY_OPTIONS, 'when']);
    this.#handler = callable('fallback.handler', handler);
    this.#when = optionalCallable('fallback.when', options.when);
  }

  /** @internal */
  run<T>(operation: Operation<T>, call: Call): Promise<T> {
    return this.runWith(this.#handler as FallbackHandler<T>, operation, call);
  }

  /**
   * With another handler; for the facade.
   *
   * @internal
   */
  runWith<T>(handler: FallbackHandler<T>, operation: Operation<T>, call: Call): Promise<T> {
    return start(operation, call).then(undefined, (error: unknown) => this.#answer(handler, error, call));
  }

  async #answer<T>(handler: FallbackHandler<T>, error: unknown, call: Call): Promise<T> {
    if (call.aborted || isCancellation(error, call) || this.#when?.(error) === false) throw error;
    this.listeners.emit({ type: 'fallback_used', policy: this.name, error });
    try {
      return await handler(error, call);
    } catch (second) {
      if (!isCancellation(second, call)) setCause(second, error);
      throw second;
    }
  }
}

/** FB-3, where the error takes a cause and has none. */
function setCause(error: unknown, cause: unknown): void {
  if (error instanceof Error && error !== cause && error.cause === undefined && Object.isExtensible(error)) {
    Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
  }
}
