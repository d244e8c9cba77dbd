// Tests run in jsdom; CSS is imported as text, as esbuild does it for the bundle.
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
