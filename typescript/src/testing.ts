/** Virtual time for tests: no test of a policy has to sleep. */

import type { Clock, TimerHandle } from './clock.js';

interface Timer {
  readonly due: number;
  readonly callback: () => void;
}

/** A clock that stands still until it is told to `advance`, and then goes from timer to timer. */
export class VirtualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<Timer>();

  /** Virtual milliseconds. */
  now(): number {
    return this.#now;
  }

  setTimeout(callback: () => void, ms: number): TimerHandle {
    const timer: Timer = { due: this.#now + Math.max(0, ms), callback };
    this.#timers.add(timer);
    return timer;
  }

  clearTimeout(timer: TimerHandle): void {
    this.#timers.delete(timer as Timer);
  }

  /** How many timers are armed. */
  get armedTimers(): number {
    return this.#timers.size;
  }

  /** Lets everything run that can run now. */
  async settle(): Promise<void> {
    await new Promise<void>((resolve) => {
      // One turn of the event loop runs every microtask first.
      if (typeof setImmediate === 'function') setImmediate(resolve);
      else globalThis.setTimeout(resolve, 0);
    });
  }

  /** Lets time pass, settling at each timer that comes due. */
  async advance(ms: number): Promise<void> {
    const target = this.#now + ms;
    await this.settle();
    for (let timer = this.#next(); timer !== undefined && timer.due <= target; timer = this.#next()) {
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, timer.due);
      timer.callback();
      await this.settle();
    }
    this.#now = target;
  }

  /** The timer that is due first; of those due at once, the one armed first. */
  #next(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) if (first === undefined || timer.due < first.due) first = timer;
    return first;
  }
}
