import { defineConfig } from 'tsup';

export default defineConfig([
  {
    entry: ['src/index.ts', 'src/providers.ts', 'src/testing.ts'],
    format: ['esm', 'cjs'],
    dts: true,
    splitting: true, // in CommonJS too: what the entries share must be there once
    clean: true,
    target: 'es2022',
    loader: { '.yaml': 'text' },
  },
  {
    entry: { driver: 'driver/main.ts' },
    outDir: 'build',
    format: ['cjs'],
    platform: 'node',
    target: 'node20',
    loader: { '.yaml': 'text' },
  },
]);
