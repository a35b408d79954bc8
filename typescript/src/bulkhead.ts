/** Bulkhead: limits how many calls run at once, and how many may wait (BH). */

import { HoldingCall, start, type Call, type Operation } from './call.js';
import { Chain, type Link } from './chain.js';
import type { TimerHandle } from './clock.js';
import { BulkheadFullError, BulkheadWaitTimeoutError, CancelledError } from './errors.js';
import { integer, known, optionalMicroseconds } from './options.js';
import { POLICY_OPTIONS, Policy, refused, type PolicyOptions } from './policy.js';

export interface BulkheadOptions extends PolicyOptions {
  /** At least 1; default 10. */
  readonly maxConcurrentCalls?: number;
  /** Calls that may wait, at least 0; default 100. */
  readonly maxQueueSize?: number;
  /** How long a call may wait, at least 0; undefined: no limit. */
  readonly maxWaitMs?: number;
}

/** BH-8. */
export interface BulkheadStats {
  readonly concurrentExecutions: number;
  readonly queueSize: number;
}

/** A call in the queue. */
class Waiting implements Link<Waiting> {
  before: Waiting | undefined;
  after: Waiting | undefined;
  timer: TimerHandle;
  unsubscribe: (() => void) | undefined;

  constructor(readonly grant: () => void) {}
}

/**
 * At most `maxConcurrentCalls` run at once, in the order they came.
 *
 * @throws ConfigurationError for an option outside its range.
 */
export class Bulkhead extends Policy {
  readonly #maxRunning: number;
  readonly #maxQueue: number;
  readonly #maxWait: number | undefined;
  readonly #queue = new Chain<Waiting>();
  #running = 0;
  /** Gives a slot back, to the head of the queue if there is one (BH-3). */
  readonly #release = (): void => {
    const head = this.#queue.first;
    if (head === undefined) {
      this.#running--;
      return;
    }
    this.#leave(head);
    this.listeners.emit({ type: 'bulkhead_handed_over', policy: this.name, queueSize: this.#queue.size });
    head.grant();
  };

  constructor(options: BulkheadOptions = {}) {
    super('bulkhead', options);
    known('bulkhead', options, [...POLICY_OPTIONS, 'maxConcurrentCalls', 'maxQueueSize', 'maxWaitMs']);
    this.#maxRunning = integer('bulkhead.max_concurrent_calls', options.maxConcurrentCalls ?? 10, 1);
    this.#maxQueue = integer('bulkhead.max_queue_size', options.maxQueueSize ?? 100, 0);
    this.#maxWait = optionalMicroseconds('bulkhead.max_wait_ms', options.maxWaitMs, 0);
  }

  /** How many calls run and wait (BH-8). */
  stats(): BulkheadStats {
    return { concurrentExecutions: this.#running, queueSize: this.#queue.size };
  }

  /** @internal */
  run<T>(operation: Operation<T>, call: Call): Promise<T> {
    const slot = this.#acquire(call);
    return slot === undefined ? this.#occupy(operation, call) : slot.then(() => this.#occupy(operation, call));
  }

  /**
   * As `run`, where a timeout inside may abandon operations. For compositions.
   *
   * @internal
   */
  runHolding<T>(operation: Operation<T>, call: Call): Promise<T> {
    const slot = this.#acquire(call);
    return slot === undefined ? this.#hold(operation, call) : slot.then(() => this.#hold(operation, call));
  }

  #occupy<T>(operation: Operation<T>, call: Call): Promise<T> {
    return start(operation, call).then(
      (value) => {
        this.#release();
        return value;
      },
      (error: unknown) => {
        this.#release();
        throw error;
      },
    );
  }

  #hold<T>(operation: Operation<T>, call: Call): Promise<T> {
    const holding = new HoldingCall(call, this.#release);
    return start(operation, holding).then(
      (value) => {
        holding.leave();
        return value;
      },
      (error: unknown) => {
        holding.leave();
        throw error;
      },
    );
  }

  /** A promise only where the call has to wait, or is refused. */
  #acquire(call: Call): Promise<void> | undefined {
    if (this.#running < this.#maxRunning) {
      this.#running++;
      return undefined;
    }
    if (this.#queue.size >= this.#maxQueue) {
      this.#reject('full');
      return refused(new BulkheadFullError(this.name, this.#maxRunning, this.#maxQueue));
    }
    if (this.#maxWait === 0) return refused(this.#waited());
    return this.#wait(call).then(() => {
      if (!call.aborted) return;
      // Given up after the hand-over: the slot passes on (BH-5).
      this.#release();
      throw new CancelledError(this.name, call.reason);
    });
  }

  #wait(call: Call): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = new Waiting(resolve);
      this.#queue.append(waiting);
      if (this.#maxWait !== undefined) {
        waiting.timer = this.clock.setTimeout(() => {
          if (this.#leave(waiting)) reject(this.#waited());
        }, this.#maxWait / 1000);
      }
      if (call.abortable) {
        waiting.unsubscribe = call.onAbort(() => {
          if (this.#leave(waiting)) reject(new CancelledError(this.name, call.reason));
        });
      }
      this.listeners.emit({ type: 'bulkhead_queued', policy: this.name, queueSize: this.#queue.size });
    });
  }

  /** Takes a call out of the queue; returns whether it was still there. */
  #leave(waiting: Waiting): boolean {
    if (!this.#queue.remove(waiting)) return false;
    if (this.#maxWait !== undefined) this.clock.clearTimeout(waiting.timer);
    waiting.unsubscribe?.();
    return true;
  }

  #waited(): BulkheadWaitTimeoutError {
    this.#reject('wait_timeout');
    return new BulkheadWaitTimeoutError(this.name, (this.#maxWait ?? 0) / 1000);
  }

  #reject(reason: string): void {
    this.listeners.emit({ type: 'bulkhead_rejected', policy: this.name, reason });
  }
}
