import { readFile } from 'node:fs/promises';

import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [
    {
      name: 'yaml-as-text', // as the build's loader does
      async load(id) {
        return id.endsWith('.yaml') ? `export default ${JSON.stringify(await readFile(id, 'utf8'))}` : undefined;
      },
    },
  ],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts'],
    // A rejection that nobody handles fails the run, as it would end a user's process.
    dangerouslyIgnoreUnhandledErrors: false,
  },
});
