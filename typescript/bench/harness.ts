/** Interleaved rounds: in each, every contender of a case runs for a while, and so does the bare wrapper they are measured by. */

export interface Contender {
  readonly name: string;
  /** One call. Resolves, or rejects where the case is about rejections. */
  readonly call: () => PromiseLike<unknown>;
  readonly rejects?: boolean;
  /** Operations in one `call`; default 1. */
  readonly operations?: number;
  /** Called once before each measured batch, and not measured. */
  readonly prepare?: () => Promise<void>;
}

export interface Case {
  readonly id: string;
  readonly title: string;
  /** The ratio ours must not exceed. */
  readonly target?: number;
  readonly baseline: Contender;
  readonly contenders: readonly Contender[];
}

export interface Measured {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly ns: number;
}

async function resolving(call: Contender['call'], times: number): Promise<void> {
  for (let i = 0; i < times; i++) await call();
}

async function rejecting(call: Contender['call'], times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    try {
      await call();
    } catch {
      continue;
    }
    throw new Error('a call that must be rejected was not');
  }
}

/**
 * Nanoseconds of CPU time for each operation. Not of the wall's clock: the machine may be shared, and what others do on it is no
 * cost of ours. The threads of the garbage collector and of the compiler are in it.
 */
async function measure(contender: Contender, times: number): Promise<number> {
  await contender.prepare?.();
  const loop = contender.rejects ? rejecting : resolving;
  // Unmeasured: a collection of what the one before left behind may have thrown away this one's optimized code.
  await loop(contender.call, times);
  const before = process.cpuUsage();
  await loop(contender.call, times);
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / (times * (contender.operations ?? 1));
}

/** How many calls take about `milliseconds`, once the code is warm. */
async function calibrate(contender: Contender, milliseconds: number): Promise<number> {
  let times = 16;
  for (;;) {
    const taken = (await measure(contender, times)) * times * (contender.operations ?? 1);
    if (taken > milliseconds * 1e6) break;
    times *= 2;
  }
  const warm = (await measure(contender, times)) * (contender.operations ?? 1);
  return Math.max(1, Math.round((milliseconds * 1e6) / warm));
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Ratios to the baseline of the same round. */
export async function compare(one: Case, rounds: number, milliseconds: number): Promise<Measured[]> {
  const everybody = [one.baseline, ...one.contenders];
  const times: number[] = [];
  for (const contender of everybody) times.push(await calibrate(contender, milliseconds));
  const taken: number[][] = everybody.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, contender] of everybody.entries()) {
      taken[index]?.push(await measure(contender, times[index] ?? 1));
    }
  }
  const base = taken[0] ?? [];
  return one.contenders.map(({ name }, index) => {
    const own = taken[index + 1] ?? [];
    const ratios = own.map((ns, round) => ns / (base[round] ?? Number.NaN));
    return { name, median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios), ns: median(own) };
  });
}
