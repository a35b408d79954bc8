/** The deadlines of all calls under one timeout, with one timer for all of them. */

import { Chain, type Link } from './chain.js';
import { microsecondsNow, type Clock, type TimerHandle } from './clock.js';

/** Something that ends at a time, in microseconds, unless it has ended before. */
export interface Due<D> extends Link<D> {
  readonly deadline: number;
  expire(): void;
}

/**
 * All deadlines are set equally far ahead, so they pass in the order they were set: a timer for the first is enough. That one may have
 * ended by then; the timer is armed anew for who is first at that time, and there is none when nobody is left.
 */
export class Deadlines<D extends Due<D>> {
  readonly #waiting = new Chain<D>();
  #timer: TimerHandle;
  #armed = false;
  #armedFor = 0;
  readonly #fire = (): void => {
    this.#armed = false;
    // A timer that was armed for a time says that it has come, whatever it did to the clock in between.
    this.#expire(Math.max(this.#armedFor, microsecondsNow(this.clock)));
  };

  constructor(private readonly clock: Clock) {}

  add(due: D, now: number): void {
    this.#waiting.append(due);
    if (!this.#armed) this.#arm(due, now);
  }

  /** For one that has ended; does nothing for one that has expired. */
  remove(due: D): void {
    this.#waiting.remove(due);
    if (this.#waiting.first !== undefined || !this.#armed) return;
    this.#armed = false;
    this.clock.clearTimeout(this.#timer);
  }

  #arm(due: D, now: number): void {
    this.#armed = true;
    this.#armedFor = due.deadline;
    this.#timer = this.clock.setTimeout(this.#fire, (due.deadline - now) / 1000);
  }

  #expire(now: number): void {
    for (let due = this.#waiting.first; due !== undefined && due.deadline <= now; due = this.#waiting.first) {
      this.remove(due);
      due.expire();
    }
    const { first } = this.#waiting;
    if (first !== undefined && !this.#armed) this.#arm(first, now);
  }
}
