/**
 * Measures the package beside its peers: `node --expose-gc build/main.js [--out FILE] [--case PART] [--rounds N] [--ms N]`.
 * Prints a table, and writes the figures as JSON.
 */

import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';

import ours from '../package.json' with { type: 'json' };
import { cases } from './cases.js';
import { compare } from './harness.js';
import { memory } from './memory.js';
import { OURS, versionOf } from './peers.js';

const { values: options } = parseArgs({
  options: {
    out: { type: 'string' },
    case: { type: 'string', default: '' },
    rounds: { type: 'string', default: '15' },
    ms: { type: 'string', default: '30' },
  },
});
const rounds = Number(options.rounds);

/** `cockatiel (sampling)` is cockatiel; `lru-cache (fetch) and cockatiel` are two packages. */
function about(name: string): { name: string; version: string; ours: boolean } {
  const packages = name.split(' and ').map((part) => part.split(' (')[0] ?? part);
  if (packages[0] === OURS) return { name, version: ours.version, ours: true };
  if (name.includes(' wrapper')) return { name, version: '', ours: false };
  return { name, version: packages.map(versionOf).join(', '), ours: false };
}

const round = (value: number): number => Number(value.toPrecision(3));

function print(cells: readonly string[]): void {
  const [first = '', ...rest] = cells;
  console.log(first.padEnd(44) + rest.map((cell) => cell.padStart(10)).join(''));
}

const report = {
  language: 'typescript',
  runtime: `Node ${process.versions.node}`,
  cpus: cpus().length,
  rounds,
  baseline: 'await op(), where op is an async function that does not suspend; CPU time',
  cases: [] as object[],
  memory: [] as object[],
};
for (const one of cases().filter(({ id }) => id.includes(options.case))) {
  const measured = await compare(one, rounds, Number(options.ms));
  print([`${one.title}${one.target === undefined ? '' : ` (target ${one.target})`}`, 'median', 'min', 'max', 'ns']);
  for (const { name, median, min, max, ns } of measured) {
    print([`  ${name}`, ...[median, min, max].map((ratio) => ratio.toFixed(2)), ns.toFixed(0)]);
  }
  report.cases.push({
    id: one.id,
    title: one.title,
    unit: 'ratio',
    target: one.target ?? null,
    target_source: one.target === undefined ? null : `<= ${one.target}`,
    results: measured.map(({ name, median, min, max, ns }) => ({
      ...about(name), median: round(median), min: round(min), max: round(max), ns: round(ns),
    })),
  });
}
if ('memory'.includes(options.case)) {
  for (const { id, title, results } of await memory()) {
    print([title, 'bytes']);
    for (const { name, value } of results) print([`  ${name}`, String(value)]);
    report.memory.push({ id, title, unit: 'bytes', target: null, results: results.map(({ name, value }) => ({ ...about(name), value })) });
  }
}
if (options.out !== undefined) {
  await mkdir(dirname(options.out), { recursive: true });
  await writeFile(options.out, `${JSON.stringify(report, null, 2)}\n`);
  console.log(`written to ${options.out}`);
}
process.exit(0); // peers leave timers behind
