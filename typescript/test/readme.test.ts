/** The quickstart of the README, type-checked and run as it stands there. */

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import ts from 'typescript';
import { expect, it } from 'vitest';

import { consumer } from './support/build.js';

const execute = promisify(execFile);
const root = join(import.meta.dirname, '..');

it('does what it says', async () => {
  const readme = await readFile(join(root, '../README.md'), 'utf8');
  const [block, ...others] = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] ?? '');
  expect(others).toEqual([]);

  await writeFile(join(consumer, 'readme.ts'), block ?? '');
  const options = { noEmit: true, rootDir: '../..', paths: { skidbladnir: ['../../src/index.ts'] } };
  const config = { extends: '../../tsconfig.json', compilerOptions: options, include: [], files: ['readme.ts'] };
  await writeFile(join(consumer, 'tsconfig.json'), JSON.stringify(config));
  await execute(join(root, 'node_modules/.bin/tsc'), ['--project', consumer]);

  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  await writeFile(join(consumer, 'readme.js'), ts.transpileModule(block ?? '', { compilerOptions }).outputText);
  const { stdout, stderr } = await execute(process.execPath, ['readme.js'], { cwd: consumer });
  expect(stderr).toBe('');
  expect(stdout.split('\n')).toEqual(['cache_miss', 'call_admitted', 'call_succeeded', 'Ada', 'plain values are fine', '']);
}, 30_000);
