// Tests run in jsdom. Style sheets and icons are imported as text, as in the build.
import { readFile, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { build } from 'esbuild';
import { defineConfig } from 'vitest/config';

/** The packages of JupyterLab, and of its editor, that src/lab and its tests import at run time. */
const PACKAGES = [
  '@codemirror/lang-markdown',
  '@codemirror/lang-python',
  '@codemirror/language',
  '@codemirror/merge',
  '@codemirror/state',
  '@codemirror/view',
  '@lezer/common',
  '@lezer/highlight',
  '@jupyterlab/apputils',
  '@jupyterlab/codemirror',
  '@jupyterlab/notebook',
  '@jupyterlab/rendermime',
  '@jupyterlab/services',
  '@jupyterlab/settingregistry',
  '@jupyterlab/translation',
  '@jupyterlab/ui-components',
  '@lumino/commands',
  '@lumino/coreutils',
  '@lumino/signaling',
  '@lumino/widgets',
];
const BUNDLED = resolve('node_modules/.cache/mm-magics-tests');

// Node cannot import JupyterLab's packages: they import their own files without extensions, and icons. esbuild can bundle
// them in a second, with the modules that they share in common chunks.
await rm(BUNDLED, { recursive: true, force: true });
await build({
  entryPoints: PACKAGES.map((name) => ({ in: name, out: name.replace('/', '-') })),
  outdir: BUNDLED,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  loader: { '.svg': 'text', '.css': 'empty' },
  // Some packages require what others import, and two copies of Lumino or Yjs do not work together.
  mainFields: ['browser', 'module', 'main'],
  alias: { yjs: resolve('node_modules/yjs/dist/yjs.mjs') },
  logLevel: 'error',
});

export default defineConfig({
  resolve: {
    alias: PACKAGES.map((name) => ({
      find: new RegExp(`^${name}$`),
      replacement: `${BUNDLED}/${name.replace('/', '-')}.js`,
    })),
  },
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
  test: {
    environment: 'jsdom',
    setupFiles: ['tests/setup.ts'],
    include: ['tests/**/*.test.ts'],
    exclude: process.env['TIMED'] ? [] : ['tests/timed/**'], // make linear
    testTimeout: 60_000,
    // JupyterLab logs these in jsdom, also in its own tests. They have no effect here.
    onConsoleLog: (log) =>
      !/Add Yjs type to a document|yjs#509|Yjs was already imported|Clipboard API|scrollTo is not a function/.test(
        log,
      ),
  },
});
