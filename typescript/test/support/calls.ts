/** What tests of policies have in common. */

import type { Operation, ResilienceEvent } from '../../src/index.js';

/** An operation that ends when the test says so. */
export class Controlled<T = string> {
  readonly signals: AbortSignal[] = [];
  #settlers: { resolve: (value: T) => void; reject: (error: unknown) => void }[] = [];

  /** How often it was started. */
  get starts(): number {
    return this.signals.length;
  }

  readonly operation: Operation<T> = ({ signal }) => {
    this.signals.push(signal);
    return new Promise<T>((resolve, reject) => {
      this.#settlers.push({ resolve, reject });
    });
  };

  /** Ends the oldest start that has not ended. */
  resolve(value: T): void {
    this.#next().resolve(value);
  }

  reject(error: unknown): void {
    this.#next().reject(error);
  }

  #next(): { resolve: (value: T) => void; reject: (error: unknown) => void } {
    const next = this.#settlers.shift();
    if (next === undefined) throw new Error('the operation does not run');
    return next;
  }
}

/** An operation that ends by its signal alone, with the signal's reason. */
export const untilAborted: Operation<never> = ({ signal }) =>
  new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
       
      reject(signal.reason);
    });
  });

/** Collects events; what a test compares are their types, or a chosen field. */
export class Events {
  readonly all: ResilienceEvent[] = [];
  readonly listen = (event: ResilienceEvent): void => {
    this.all.push(event);
  };

  get types(): string[] {
    return this.all.map((event) => event.type);
  }

  of(type: ResilienceEvent['type']): ResilienceEvent[] {
    return this.all.filter((event) => event.type === type);
  }
}

/** How a call stands, without waiting for it. */
export function watch<T>(promise: Promise<T>): { status: 'pending' | 'fulfilled' | 'rejected'; value?: T; error?: unknown } {
  const seen: ReturnType<typeof watch<T>> = { status: 'pending' };
  promise.then(
    (value) => {
      Object.assign(seen, { status: 'fulfilled', value });
    },
    (error: unknown) => {
      Object.assign(seen, { status: 'rejected', error });
    },
  );
  return seen;
}
