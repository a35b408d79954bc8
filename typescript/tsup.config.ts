import { defineConfig } from 'tsup';

export default defineConfig([
  {
    entry: ['src/index.ts', 'src/providers.ts', 'src/testing.ts'],
    format: ['esm', 'cjs'],
    dts: true,
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
