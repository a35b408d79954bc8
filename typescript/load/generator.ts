/** Begins calls when they are due, however long others take; their latency is counted from then. */

import { build, type Histogram } from 'hdr-histogram-js';

import { watchMemory, type Sample } from './memory.js';

const MOST_RUNNING = 4000;
const LONGEST_MS = 60_000; // a call that takes longer is counted as this long
const PATIENCE_MS = 10_000;
export const PERCENTILES = { 'p50': 50, 'p90': 90, 'p99': 99, 'p99.9': 99.9, 'max': 100 } as const;

export interface RunResult {
  readonly name: string;
  readonly seconds: number;
  readonly issued: number;
  /** How calls ended; `not_sent` where too many were under way. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Milliseconds of the calls that were ok, and of all. */
  readonly answered_ms: Readonly<Record<string, number>>;
  readonly all_ms: Readonly<Record<string, number>>;
  readonly highest_concurrency: number;
  readonly memory: readonly Sample[];
}

const newHistogram = (): Histogram =>
  build({ lowestDiscernibleValue: 1, highestTrackableValue: LONGEST_MS * 1000, numberOfSignificantValueDigits: 3 });

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Issues calls at a rate for some time, waits for their ends, and watches the memory meanwhile. */
export async function generate(
  name: string,
  rate: number,
  seconds: number,
  call: (number: number) => Promise<string>,
): Promise<Omit<RunResult, 'highest_concurrency'>> {
  const outcomes: Record<string, number> = {};
  const answered = newHistogram();
  const all = newHistogram();
  let issued = 0;
  let running = 0;
  const count = (outcome: string): void => { outcomes[outcome] = (outcomes[outcome] ?? 0) + 1; };
  const issue = (number: number, due: number): void => {
    issued++;
    if (running >= MOST_RUNNING) {
      count('not_sent');
      return;
    }
    running++;
    void call(number).then((outcome) => {
      running--;
      count(outcome);
      const microseconds = Math.max(1, Math.round(Math.min(performance.now() - due, LONGEST_MS) * 1000));
      all.recordValue(microseconds);
      if (outcome === 'ok') answered.recordValue(microseconds);
    });
  };
  const memory = watchMemory();
  const began = performance.now();
  for (let number = 0; ; ) {
    const elapsed = performance.now() - began;
    if (elapsed >= seconds * 1000) break;
    for (const due = Math.floor((elapsed / 1000) * rate); number < due; number++) issue(number, began + (number * 1000) / rate);
    await sleep(1);
  }
  // Calls that do not end are missing from the outcomes.
  for (const deadline = performance.now() + PATIENCE_MS; running > 0 && performance.now() < deadline; ) await sleep(10);
  return {
    name, seconds, issued, outcomes, answered_ms: percentilesOf(answered), all_ms: percentilesOf(all), memory: memory.stop(),
  };
}

function percentilesOf(histogram: Histogram): Record<string, number> {
  return Object.fromEntries(
    Object.entries(PERCENTILES).map(([name, value]) => [name, histogram.getValueAtPercentile(value) / 1000]),
  );
}
