// Tests run in jsdom. Style sheets are imported as text, as in the esbuild bundle.
import { readFile } from 'node:fs/promises';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [
    {
      name: 'css-as-text',
      enforce: 'pre',
      async load(id) {
        if (!id.endsWith('.css')) return null;
        return `export default ${JSON.stringify(await readFile(id, 'utf8'))};`;
      },
    },
  ],
  test: { environment: 'jsdom', include: ['tests/**/*.test.ts'], testTimeout: 20_000 },
});
