import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['main.ts'],
  outDir: 'build',
  format: ['esm'],
  platform: 'node',
  target: 'node20',
  silent: true,
});
