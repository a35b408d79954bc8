import { defineConfig } from 'tsup';

/** Of the benchmarks and the load generator: each builds its own main.ts. */
export default defineConfig({
  entry: ['main.ts'],
  outDir: 'build',
  format: ['esm'],
  platform: 'node',
  target: 'node20',
  silent: true,
});
