/** Timeout: ends a call that takes too long (TO). */

import { AbortableCall, isCancellation, start, type Call, type Operation } from './call.js';
import { microsecondsNow } from './clock.js';
import { Deadlines, type Due } from './deadlines.js';
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

/** A call under a deadline. */
class TimedCall extends AbortableCall implements Due<TimedCall> {
  before: TimedCall | undefined;
  after: TimedCall | undefined;

  constructor(
    outer: Call,
    readonly deadline: number,
    readonly expire: () => void,
  ) {
    super(outer);
  }
}

/**
 * Ends a call at its deadline, at which the operation's signal is aborted.
 *
 * @throws ConfigurationError for an option outside its range.
 */
export class Timeout extends Policy {
  readonly #timeout: number;
  readonly #deadlines: Deadlines<TimedCall>;
  readonly mode: TimeoutMode;

  constructor(options: TimeoutOptions = {}) {
    super('timeout', options);
    known('timeout', options, [...POLICY_OPTIONS, 'timeoutMs', 'mode']);
    this.#timeout = microseconds('timeout.timeout_ms', options.timeoutMs ?? 30_000, 1);
    this.#deadlines = new Deadlines(this.clock);
    this.mode = word<TimeoutMode>('timeout.mode', options.mode ?? 'abandon', ['cancel', 'abandon']);
  }

  /** @internal */
  run<T>(operation: Operation<T>, call: Call): Promise<T> {
    return this.mode === 'cancel' ? this.#runCancelling(operation, call) : this.#runAbandoning(operation, call);
  }

  async #runCancelling<T>(operation: Operation<T>, call: Call): Promise<T> {
    let fired: TimeoutError | undefined;
    const inner = this.#begin(call, () => {
      // A caller that has given up first gets what the operation makes of that (TO-6).
      if (inner.aborted) return;
      fired = this.#error();
      inner.abort(fired);
    });
    let end: { value: T } | { error: unknown };
    try {
      end = { value: await operation(inner) };
    } catch (error) {
      end = { error };
    }
    this.#end(inner);
    const cancelled = 'error' in end && isCancellation(end.error, inner);
    if (fired !== undefined && cancelled && call.aborted) throw new CancelledError(this.name, call.reason);
    // An event loop that was blocked may not have run the timer.
    if (fired !== undefined || (!inner.aborted && microsecondsNow(this.clock) >= inner.deadline)) {
      this.#timedOut();
      if (!cancelled) this.#late(end);
      throw fired ?? this.#error();
    }
    if ('error' in end) throw end.error;
    return end.value;
  }

  #runAbandoning<T>(operation: Operation<T>, call: Call): Promise<T> {
    return new Promise((resolve, reject) => {
      let left = false;
      let unsubscribe: (() => void) | undefined;
      const leave = (error: TimeoutError | CancelledError, reason: unknown): void => {
        left = true;
        stop();
        if (error instanceof TimeoutError) this.#timedOut();
        call.hold?.addOperation();
        this.listeners.emit({ type: 'call_abandoned', policy: this.name });
        reject(error);
        inner.abort(reason);
      };
      const stop = (): void => {
        this.#end(inner);
        unsubscribe?.();
      };
      const ended = (end: { value: T } | { error: unknown }): void => {
        const cancelled = 'error' in end && isCancellation(end.error, inner);
        if (left) {
          if (!cancelled) this.#late(end);
          call.hold?.endOperation();
          return;
        }
        stop();
        if (!cancelled && microsecondsNow(this.clock) >= inner.deadline) {
          this.#timedOut();
          this.#late(end);
          reject(this.#error());
        } else if ('error' in end) {
          reject(end.error);
        } else {
          resolve(end.value);
        }
      };
      const inner = this.#begin(call, () => {
        const error = this.#error();
        leave(error, error);
      });
      if (call.abortable) {
        unsubscribe = call.onAbort(() => {
          leave(new CancelledError(this.name, call.reason), call.reason);
        });
      }
      start(operation, inner).then(
        (value) => {
          ended({ value });
        },
        (error: unknown) => {
          ended({ error });
        },
      );
    });
  }

  #begin(call: Call, expire: () => void): TimedCall {
    const now = microsecondsNow(this.clock);
    const inner = new TimedCall(call, now + this.#timeout, expire);
    this.#deadlines.add(inner, now);
    return inner;
  }

  #end(inner: TimedCall): void {
    this.#deadlines.remove(inner);
    inner.dispose();
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
