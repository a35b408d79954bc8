/** Time. May be replaced in tests; see `skidbladnir/testing`. */

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

export const systemClock: Clock = {
  now: () => performance.now(),
  setTimeout: (callback, ms) => globalThis.setTimeout(callback, ms),
  clearTimeout: (timer) => {
    globalThis.clearTimeout(timer as ReturnType<typeof globalThis.setTimeout>);
  },
  unref: (timer) => {
    (timer as { unref?: () => void }).unref?.();
  },
};

/** The clock's time in whole microseconds, by which everything is decided (GN-1). */
export function microsecondsNow(clock: Clock): number {
  return Math.round(clock.now() * 1000);
}
