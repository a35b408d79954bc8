/** Builds the package as it is published, the example, and what counts the work, for tests that run them in processes of their own. */

import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { build } from 'tsup';

import configs from '../../tsup.config.js';

const root = join(import.meta.dirname, '../..');

/** A project that has the built package installed; the peers of the package are found further up. */
export const consumer = join(root, 'build/consumer');

export default async function setup(): Promise<void> {
  const target = join(consumer, 'node_modules/skidbladnir');
  await rm(consumer, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  // A package of its own, or the name would lead to the sources around it.
  await writeFile(join(consumer, 'package.json'), '{"name": "consumer", "private": true, "type": "module"}\n');
  await cp(join(root, 'package.json'), join(target, 'package.json'));
  const [library] = Array.isArray(configs) ? configs : [];
  if (library === undefined) throw new Error('tsup.config.ts begins with the package');
  const common = { ...library, config: false, silent: true, dts: false, clean: false } as const;
  await build({ ...common, outDir: join(target, 'dist') });
  const programs = [join(root, 'examples/outage.ts'), join(root, 'test/support/work.ts')];
  for (const program of programs) {
    await build({ ...common, entry: [program], format: ['esm'], splitting: false, skipNodeModulesBundle: true, outDir: consumer });
  }
}
