/** Bulkhead: limits how many calls run at once, and how many may wait (BH). */

import { Hold, HoldingCall, type Call, type Operation } from './call.js';
import { BulkheadFullError, BulkheadWaitTimeoutError, CancelledError } from './errors.js';
import { integer, known, optionalMicroseconds } from './options.js';
import { POLICY_OPTIONS, Policy, type PolicyOptions } from './policy.js';

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

interface Waiting {
  grant(): void;
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
  readonly #queue = new Set<Waiting>();
  #running = 0;

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
  async run<T>(operation: Operation<T>, call: Call): Promise<T> {
    await this.#acquire(call);
    try {
      return await operation(call);
    } finally {
      this.#release();
    }
  }

  /**
   * As `run`, where a timeout inside may abandon operations. For compositions.
   *
   * @internal
   */
  async runHolding<T>(operation: Operation<T>, call: Call): Promise<T> {
    await this.#acquire(call);
    const hold = new Hold(() => {
      this.#release();
    }, call.hold);
    try {
      return await operation(new HoldingCall(call, hold));
    } finally {
      hold.leave();
    }
  }

  /** A promise only where the call has to wait. */
  #acquire(call: Call): Promise<void> | undefined {
    if (this.#running < this.#maxRunning) {
      this.#running++;
      return undefined;
    }
    if (this.#queue.size >= this.#maxQueue) {
      this.#reject('full');
      throw new BulkheadFullError(this.name, this.#maxRunning, this.#maxQueue);
    }
    if (this.#maxWait === 0) throw this.#waited();
    return this.#wait(call);
  }

  async #wait(call: Call): Promise<void> {
    const end = await new Promise<'granted' | 'cancelled' | 'expired'>((resolve) => {
      const leave = (how: 'cancelled' | 'expired') => () => {
        if (this.#queue.delete(waiting)) finish(how);
      };
      const finish = (how: 'granted' | 'cancelled' | 'expired'): void => {
        if (timer !== undefined) this.clock.clearTimeout(timer);
        unsubscribe();
        resolve(how);
      };
      const waiting: Waiting = {
        grant: () => {
          finish('granted');
        },
      };
      this.#queue.add(waiting);
      const timer = this.#maxWait === undefined ? undefined : this.clock.setTimeout(leave('expired'), this.#maxWait / 1000);
      const unsubscribe = call.onAbort(leave('cancelled'));
      this.listeners.emit({ type: 'bulkhead_queued', policy: this.name, queueSize: this.#queue.size });
    });
    if (end === 'expired') throw this.#waited();
    if (end === 'granted' && !call.aborted) return;
    // Given up after the hand-over: the slot passes on (BH-5).
    if (end === 'granted') this.#release();
    throw new CancelledError(this.name, call.reason);
  }

  /** Gives a slot back, to the head of the queue if there is one (BH-3). */
  #release(): void {
    const [head] = this.#queue;
    if (head === undefined) {
      this.#running--;
      return;
    }
    this.#queue.delete(head);
    this.listeners.emit({ type: 'bulkhead_handed_over', policy: this.name, queueSize: this.#queue.size });
    head.grant();
  }

  #waited(): BulkheadWaitTimeoutError {
    this.#reject('wait_timeout');
    return new BulkheadWaitTimeoutError(this.name, (this.#maxWait ?? 0) / 1000);
  }

  #reject(reason: string): void {
    this.listeners.emit({ type: 'bulkhead_rejected', policy: this.name, reason });
  }
}
