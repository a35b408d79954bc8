/** Timeout: ends a call that takes too long (TO). */

import { AbortableCall, isCancellation, type Call, type Operation } from './call.js';
import { microsecondsNow } from './clock.js';
import { CancelledError, TimeoutError } from './errors.js';
import { known, microseconds, word } from './options.js';
import { POLICY_OPTIONS, Policy, type PolicyOptions } from './policy.js';

export type TimeoutMode = 'cancel' | 'abandon';

export interface TimeoutOptions extends PolicyOptions {
  /** At least 1; default 30,000. */
  readonly timeoutMs?: number;
  /** Whether a call waits for its operation's end after the deadline (`cancel`) or not (`abandon`, the default). */
  readonly mode?: TimeoutMode;
}

/**
 * Ends a call at its deadline, at which the operation's signal is aborted.
 *
 * @throws ConfigurationError for an option outside its range.
 */
export class Timeout extends Policy {
  readonly #timeout: number;
  readonly mode: TimeoutMode;

  constructor(options: TimeoutOptions = {}) {
    super('timeout', options);
    known('timeout', options, [...POLICY_OPTIONS, 'timeoutMs', 'mode']);
    this.#timeout = microseconds('timeout.timeout_ms', options.timeoutMs ?? 30_000, 1);
    this.mode = word<TimeoutMode>('timeout.mode', options.mode ?? 'abandon', ['cancel', 'abandon']);
  }

  /** @internal */
  run<T>(operation: Operation<T>, call: Call): Promise<T> {
    return this.mode === 'cancel' ? this.#runCancelling(operation, call) : this.#runAbandoning(operation, call);
  }

  async #runCancelling<T>(operation: Operation<T>, call: Call): Promise<T> {
    const inner = new AbortableCall(call);
    const deadline = microsecondsNow(this.clock) + this.#timeout;
    let fired: TimeoutError | undefined;
    const timer = this.clock.setTimeout(() => {
      // A caller that has given up first gets what the operation makes of that (TO-6).
      if (inner.aborted) return;
      fired = this.#error();
      inner.abort(fired);
    }, this.#timeout / 1000);
    let end: { value: T } | { error: unknown };
    try {
      end = { value: await operation(inner) };
    } catch (error) {
      end = { error };
    }
    this.clock.clearTimeout(timer);
    inner.dispose();
    const cancelled = 'error' in end && isCancellation(end.error, inner);
    if (fired !== undefined && cancelled && call.aborted) throw new CancelledError(this.name, call.reason);
    // An event loop that was blocked may not have run the timer.
    if (fired !== undefined || (!inner.aborted && microsecondsNow(this.clock) >= deadline)) {
      this.#timedOut();
      if (!cancelled) this.#late(end);
      throw fired ?? this.#error();
    }
    if ('error' in end) throw end.error;
    return end.value;
  }

  #runAbandoning<T>(operation: Operation<T>, call: Call): Promise<T> {
    return new Promise((resolve, reject) => {
      const inner = new AbortableCall(call);
      const deadline = microsecondsNow(this.clock) + this.#timeout;
      let left = false;
      const leave = (error: TimeoutError | CancelledError, reason: unknown): void => {
        left = true;
        stop();
        if (error instanceof TimeoutError) this.#timedOut();
        call.hold?.add();
        this.listeners.emit({ type: 'call_abandoned', policy: this.name });
        reject(error);
        inner.abort(reason);
      };
      const timer = this.clock.setTimeout(() => {
        const error = this.#error();
        leave(error, error);
      }, this.#timeout / 1000);
      const unsubscribe = call.onAbort(() => {
        leave(new CancelledError(this.name, call.reason), call.reason);
      });
      const stop = (): void => {
        this.clock.clearTimeout(timer);
        unsubscribe();
        inner.dispose();
      };
      const ended = (end: { value: T } | { error: unknown }): void => {
        const cancelled = 'error' in end && isCancellation(end.error, inner);
        if (left) {
          if (!cancelled) this.#late(end);
          call.hold?.end();
          return;
        }
        stop();
        if (!cancelled && microsecondsNow(this.clock) >= deadline) {
          this.#timedOut();
          this.#late(end);
          reject(this.#error());
        } else if ('error' in end) {
           
          reject(end.error);
        } else {
          resolve(end.value);
        }
      };
      invoke(operation, inner).then(
        (value) => {
          ended({ value });
        },
        (error: unknown) => {
          ended({ error });
        },
      );
    });
  }

  #error(): TimeoutError {
    return new TimeoutError(this.name, this.#timeout / 1000);
  }

  #timedOut(): void {
    this.listeners.emit({ type: 'timed_out', policy: this.name, timeoutMs: this.#timeout / 1000 });
  }

  #late(end: { value: unknown } | { error: unknown }): void {
    if ('error' in end) this.listeners.emit({ type: 'late_outcome', policy: this.name, outcome: 'failure', error: end.error });
    else this.listeners.emit({ type: 'late_outcome', policy: this.name, outcome: 'success' });
  }
}

/** An operation may throw before it returns a promise. */
async function invoke<T>(operation: Operation<T>, call: Call): Promise<T> {
  return await operation(call);
}
