/**
 * Timers that are armed late: none can fire before the turn of the event loop is over, and by then most calls are over that do
 * not wait for anything. So those cost the platform no timer.
 */

import { Chain, type Link } from './chain.js';

export class LateTimer implements Link<LateTimer> {
  before: LateTimer | undefined;
  after: LateTimer | undefined;
  keepsAlive = true;
  platform: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly callback: () => void,
    /** Milliseconds of `performance.now`. */
    readonly due: number,
  ) {}
}

const platformTimeout = globalThis.setTimeout;
const unarmed = new Chain<LateTimer>();
let scheduled = false;

/** Not in browsers, which do not tell when a turn ends; nor while fake timers stand in, which expect theirs at once. */
export function canBeLate(): boolean {
  return typeof setImmediate === 'function' && globalThis.setTimeout === platformTimeout;
}

export function armLate(callback: () => void, due: number): LateTimer {
  const timer = new LateTimer(callback, due);
  unarmed.append(timer);
  if (!scheduled) {
    scheduled = true;
    setImmediate(armAll);
  }
  return timer;
}

function armAll(): void {
  scheduled = false;
  for (let timer = unarmed.first; timer !== undefined; timer = unarmed.first) {
    unarmed.remove(timer);
    timer.platform = setTimeout(timer.callback, timer.due - performance.now());
    if (!timer.keepsAlive) timer.platform.unref();
  }
}

export function clearLate(timer: LateTimer): void {
  if (!unarmed.remove(timer)) clearTimeout(timer.platform);
}

/** Lets the process end although the timer is armed. */
export function unrefLate(timer: LateTimer): void {
  timer.keepsAlive = false;
  timer.platform?.unref();
}
