/** Builds the package as it is published, and the example, for the tests that run them in processes of their own. */

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
  await build({ ...common, entry: [join(root, 'examples/outage.ts')], format: ['esm'], skipNodeModulesBundle: true, outDir: consumer });
}
