/** The memory in use after a collection of garbage. */

export interface Sample {
  readonly seconds: number;
  readonly bytes: number;
}

/** Samples each second, until it is stopped. */
export function watchMemory(): { stop(): Sample[] } {
  const began = performance.now();
  const samples: Sample[] = [];
  const sample = (): void => {
    if (globalThis.gc === undefined) throw new Error('to be run with --expose-gc');
    globalThis.gc();
    samples.push({ seconds: (performance.now() - began) / 1000, bytes: process.memoryUsage().heapUsed });
  };
  sample();
  const timer = setInterval(sample, 1000);
  return {
    stop: () => {
      clearInterval(timer);
      sample();
      return samples;
    },
  };
}

/**
 * The least memory in use in the first third of a run, and in the last. The least, because what is in use while the server stalls
 * are the calls that wait. The very first sample is from before the first call.
 */
export function growth(samples: readonly Sample[]): { first: number; last: number } {
  const third = Math.ceil(samples.length / 3);
  const least = (part: readonly Sample[]): number => Math.min(...part.map(({ bytes }) => bytes));
  return { first: least(samples.slice(1, Math.max(third, 2))), last: least(samples.slice(-third)) };
}
