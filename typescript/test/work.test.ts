/**
 * No call may cost more than a tenth more work than it did: counts, which repeat exactly, and not time. `UPDATE_WORK=1 npx vitest run work`
 * writes what is measured as the new baseline.
 */

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { expect, it } from 'vitest';

import { consumer } from './support/build.js';

type Work = Record<string, Record<string, number>>;

const BASELINE = join(import.meta.dirname, 'work.json');
const MAJOR = process.versions.node.split('.')[0];
const FLAGS = ['--jitless', '--predictable', '--expose-gc', '--min-semi-space-size=64', '--max-semi-space-size=64'];

it('is not more than it was', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [...FLAGS, join(consumer, 'work.js')]);
  const work = JSON.parse(stdout) as Work;
  if (process.env['UPDATE_WORK'] !== undefined) await writeFile(BASELINE, `${JSON.stringify({ node: MAJOR, work }, null, 2)}\n`);
  const baseline = JSON.parse(await readFile(BASELINE, 'utf8')) as { node: string; work: Work };
  expect(Object.keys(work)).toEqual(Object.keys(baseline.work));
  const worse = Object.entries(work).flatMap(([name, counts]) =>
    Object.entries(counts)
      // The size of an object is the engine's own affair: it is compared within one major version of Node.
      .filter(([count]) => count !== 'bytes' || MAJOR === baseline.node)
      .map(([count, value]) => ({ name, count, value, was: baseline.work[name]?.[count] ?? 0 }))
      .filter(({ value, was }) => value > was * 1.1),
  );
  expect(worse).toEqual([]);
}, 60_000);
