/** Time. May be replaced in tests; see `skidbladnir/testing`. */

import { LateTimer, armLate, canBeLate, clearLate, unrefLate } from './late-timers.js';

export type TimerHandle = unknown;

export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Calls back after this many milliseconds. */
  setTimeout(callback: () => void, ms: number): TimerHandle;
  clearTimeout(timer: TimerHandle): void;
  /** Lets the process end although the timer is armed, where the platform knows of that. */
  unref?(timer: TimerHandle): void;
}

// Looked up once: in Node the global is a getter, dearer than the reading.
const { performance } = globalThis;

export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (callback, ms) =>
    canBeLate() ? armLate(callback, performance.now() + ms) : globalThis.setTimeout(callback, ms),
  clearTimeout: (timer) => {
    if (timer instanceof LateTimer) clearLate(timer);
    else globalThis.clearTimeout(timer as ReturnType<typeof globalThis.setTimeout>);
  },
  unref: (timer) => {
    if (timer instanceof LateTimer) unrefLate(timer);
    else (timer as { unref?: () => void }).unref?.();
  },
};

/** The clock's time in whole microseconds, by which everything is decided (GN-1). */
export function microsecondsNow(clock: Clock): number {
  return Math.round(clock.now() * 1000);
}
