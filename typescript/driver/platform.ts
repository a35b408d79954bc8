/**
 * The platform's time and timers under virtual time, for a package that is given no clock.
 *
 * With `--system-clock` they are virtual before the package is loaded, which takes them for the platform's; with `--fake-timers`
 * only afterwards, as in a test that fakes them. Other forms of the same go with it: patterns as RegExp, compositions within
 * compositions.
 */

import { VirtualClock } from '../src/testing.js';

const isBefore = process.argv.includes('--system-clock');
const isAfter = process.argv.includes('--fake-timers');

/** Whether the package is to use the platform's time. */
export const isVirtual = isBefore || isAfter;

/** The package arms the platform's timers when a turn of the event loop is over: it takes one more to settle. */
class PlatformClock extends VirtualClock {
  override async settle(): Promise<void> {
    await super.settle();
    await super.settle();
  }
}

const kind = isBefore ? PlatformClock : VirtualClock;
let clock = new kind();
// No package may rely on a time that begins at 0.
let began = 1000;

/** The clock of the next trace; where the platform is virtual, its time. */
export function nextClock(): VirtualClock {
  began += clock.now();
  clock = new kind();
  return clock;
}

class PlatformTimer {
  readonly #clock = clock;
  readonly #timer: unknown;

  constructor(callback: () => void, ms: number) {
    this.#timer = clock.setTimeout(callback, ms);
  }

  clear(): void {
    this.#clock.clearTimeout(this.#timer);
  }

  unref(): this {
    return this;
  }
}

function fake(): void {
  const clear = (timer: unknown): void => {
    if (timer instanceof PlatformTimer) timer.clear();
  };
  Object.assign(globalThis, {
    setTimeout: (callback: () => void, ms = 0) => new PlatformTimer(callback, ms),
    clearTimeout: clear,
  });
  Object.defineProperty(performance, 'now', { value: () => began + clock.now() });
}

if (isBefore) fake();

/** To be called when everything has been loaded. */
export function loaded(): void {
  if (isAfter) fake();
}
