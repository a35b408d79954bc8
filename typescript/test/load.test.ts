import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { expect, it } from 'vitest';

import type { RunResult } from '../load/generator.js';
import { faults, type Result } from '../load/load.js';

const root = join(import.meta.dirname, '../..');

// A few seconds of the real thing, at a rate that any machine gives.
it('accounts for every call, and keeps the limit, while a server fails and recovers', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'load-'));
  const json = join(folder, 'result.json');
  const schedule = 'healthy:500ms,failing:300ms,stalling:400ms,resetting:300ms,recovering:300ms';
  await promisify(execFile)(process.execPath, [
    '--expose-gc', join(root, 'typescript/load/build/main.js'), '--server', join(root, 'build/load/server'),
    '--seconds', '6', '--rate', '100', '--schedule', schedule, '--json', json,
  ]);
  const result = JSON.parse(await readFile(json, 'utf8')) as Result;
  await rm(folder, { recursive: true });
  expect(faults(result)).toEqual([]);
  for (const { issued, seconds, outcomes } of result.runs) {
    expect(issued).toBeGreaterThan(seconds * 100 * 0.9);
    expect(outcomes['ok']).toBeGreaterThan(0);
  }
  expect(result.runs[1]?.outcomes['circuit_open']).toBeGreaterThan(0);
}, 60_000);

it('finds what must not be', () => {
  const samples = (...megabytes: number[]) => megabytes.map((bytes, seconds) => ({ seconds, bytes: bytes * 2 ** 20 }));
  const good: RunResult = {
    name: 'good', seconds: 1, issued: 5, outcomes: { ok: 3, timeout: 2 }, answered_ms: {}, all_ms: {}, highest_concurrency: 64,
    memory: samples(1, 8, 9, 8),
  };
  const found = (change: Partial<RunResult>) => faults({ bulkhead_limit: 64, runs: [{ ...good, ...change }] });
  expect(found({})).toEqual([]);
  expect(found({ issued: 6 })).toEqual(['good: 6 calls were issued, 5 are accounted for']);
  expect(found({ highest_concurrency: 65 })).toEqual(["65 calls ran at once, the bulkhead's limit is 64"]);
  expect(found({ memory: samples(1, 8, 9, 20, 21, 20) })[0]).toMatch(/memory grew/);
});
