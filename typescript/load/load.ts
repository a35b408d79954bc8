/** Two runs against the same server: without the facade, then with it. */

import { cpus } from 'node:os';

import { Client, Guarded, SLOTS, Server } from './client.js';
import { PERCENTILES, generate, type RunResult } from './generator.js';
import { growth } from './memory.js';

export interface Settings {
  /** The program that serves. */
  readonly server: string;
  /** Of both runs together. */
  readonly seconds: number;
  /** Calls a second; 0: half of what the machine gives. */
  readonly rate: number;
  readonly schedule: string;
}

export interface Result {
  readonly language: string;
  readonly runtime: string;
  readonly cpus: number;
  readonly rate: number;
  readonly schedule: string;
  readonly bulkhead_limit: number;
  readonly runs: readonly RunResult[];
}

/** Measures without the facade for a third of the time, then with it. */
export async function run({ server: program, seconds, rate: wanted, schedule }: Settings): Promise<Result> {
  const rate = wanted === 0 ? await findRate(program) : wanted;
  const server = await Server.start(program, schedule);
  const client = new Client(server.url);
  const guarded = new Guarded(client);
  const runs: RunResult[] = [];
  for (const [name, share, call] of [
    ['without the facade', 1 / 3, () => client.fetchWithin()],
    ['with the facade', 2 / 3, (number: number) => guarded.call(number)],
  ] as const) {
    await server.restart();
    client.highest = 0;
    const measured = await generate(name, rate, seconds * share, call);
    runs.push({ ...measured, highest_concurrency: client.highest });
  }
  guarded.facade.close();
  client.close();
  await server.stop();
  const runtime = `Node ${process.versions.node}`;
  return { language: 'typescript', runtime, cpus: cpus().length, rate, schedule, bulkhead_limit: SLOTS, runs };
}

/**
 * Half of what callers reach that call one after another while the server is healthy: open-loop, the machine must have room for
 * the other phases.
 */
async function findRate(program: string): Promise<number> {
  const [MS, CALLERS, LEAST, MOST] = [2000, 32, 10, 20_000];
  const server = await Server.start(program, 'healthy:1h');
  const client = new Client(server.url);
  let calls = 0;
  const deadline = performance.now() + MS;
  const caller = async (): Promise<void> => {
    while (performance.now() < deadline) if ((await client.fetchWithin()) === 'ok') calls++;
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  client.close();
  await server.stop();
  return Math.min(Math.max(Math.floor((calls * 1000) / MS / 2), LEAST), MOST);
}

const SLACK = 4 * 2 ** 20;

/** What must not be. */
export function faults({ runs, bulkhead_limit: limit }: Pick<Result, 'runs' | 'bulkhead_limit'>): string[] {
  const found: string[] = [];
  for (const { name, issued, outcomes } of runs) {
    const ended = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
    if (ended !== issued) found.push(`${name}: ${issued} calls were issued, ${ended} are accounted for`);
  }
  const guarded = runs.at(-1);
  if (guarded === undefined) return ['nothing ran'];
  if (guarded.highest_concurrency > limit) {
    found.push(`${guarded.highest_concurrency} calls ran at once, the bulkhead's limit is ${limit}`);
  }
  const { first, last } = growth(guarded.memory);
  if (last > first * 1.25 + SLACK) found.push(`memory grew from ${first} to ${last} bytes`);
  return found;
}

export function table({ runtime, cpus: cores, rate, schedule, runs }: Result): string {
  const row = (title: string, cell: (run: RunResult) => string | number): string =>
    title.padEnd(36) + runs.map((run) => String(cell(run)).padStart(20)).join('');
  const outcomes = [...new Set(runs.flatMap((run) => Object.keys(run.outcomes)))].sort();
  const names = Object.keys(PERCENTILES);
  const kibibytes = (bytes: number): number => Math.round(bytes / 1024);
  return [
    `${runtime}, ${cores} cores; ${rate} calls a second, open-loop; server: ${schedule}`,
    '',
    row('', ({ name }) => name),
    row('seconds', ({ seconds }) => seconds.toFixed(0)),
    row('issued', ({ issued }) => issued),
    ...outcomes.map((outcome) => row(`  ${outcome}`, (run) => run.outcomes[outcome] ?? 0)),
    ...names.map((name) => row(`answered, ${name} ms`, (run) => (run.answered_ms[name] ?? 0).toFixed(1))),
    ...names.map((name) => row(`all calls, ${name} ms`, (run) => (run.all_ms[name] ?? 0).toFixed(1))),
    row('at once, at most', (run) => run.highest_concurrency),
    row('memory, first and last third, KiB', ({ memory }) => {
      const { first, last } = growth(memory);
      return `${kibibytes(first)}, ${kibibytes(last)}`;
    }),
  ].join('\n');
}
