// Starts a page of JupyterLab without a browser: bundles page.ts, makes the globals of a browser with jsdom, and runs it.
// The page is driven by JSON lines on its standard input and output; tests/page/bridge.py is the other end.
import { mkdir, rm } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { builtinEnvironments } from 'vitest/runtime';

const root = fileURLToPath(new URL('../../', import.meta.url));
const cache = `${root}node_modules/.cache/mm-magics-page`;
const bundle = `${cache}/page-${process.pid}.mjs`;

await mkdir(cache, { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: ['tests/page/page.ts'],
  outfile: bundle,
  bundle: true,
  format: 'esm',
  platform: 'browser',
  external: ['node:*'],
  target: 'es2022',
  loader: { '.svg': 'text', '.css': 'text' },
  // As in vitest.config.ts: two copies of Lumino or Yjs do not work together.
  mainFields: ['browser', 'module', 'main'],
  alias: { yjs: `${root}node_modules/yjs/dist/yjs.mjs` },
  logLevel: 'error',
});

await builtinEnvironments.jsdom.setup(globalThis, { jsdom: { url: 'http://localhost/' } });

class Observer {
  observe() {}
  unobserve() {}
  disconnect() {}
}

Object.assign(globalThis, {
  DragEvent: class extends Event {},
  ResizeObserver: Observer,
  IntersectionObserver: Observer,
  matchMedia: () => ({ matches: false, addEventListener() {}, removeEventListener() {} }),
  // A frame is drawn as soon as the page is idle, not 60 times a second.
  requestAnimationFrame: (draw) => setImmediate(() => draw(performance.now())),
  cancelAnimationFrame: (frame) => {
    if (typeof frame === 'object') clearImmediate(frame);
  },
});
// Time passes when the test says so: a report that waits for 300 ms is sent before the next command on a slow machine too.
const held = new Map();
const { setTimeout: startTimer, clearTimeout: clearTimer } = globalThis;
globalThis.setTimeout = (call, ms = 0, ...values) => {
  if (ms < 100 || ms > 500) return startTimer(call, ms, ...values);
  const timer = startTimer(() => {}, 0);
  held.set(timer, () => call(...values));
  return timer;
};
globalThis.clearTimeout = (timer) => {
  held.delete(timer);
  clearTimer(timer);
};
globalThis.heldTimers = held;
// Nothing is laid out, and jsdom needs most of the time to match style sheets.
const noStyle = document.createElement('div').style;
document.defaultView.getComputedStyle = globalThis.getComputedStyle = () => noStyle;
Element.prototype.scrollTo = () => {};
// CodeMirror measures text.
Range.prototype.getClientRects = () => [];
Range.prototype.getBoundingClientRect = () => new DOMRect();
// Standard output belongs to the protocol.
for (const name of ['debug', 'error', 'info', 'log', 'warn'])
  console[name] = (...words) => {
    if (process.env.MM_PAGE_LOG) process.stderr.write(`${name}: ${words.map(String).join(' ')}\n`);
  };
// A browser logs what nobody awaits; Node would end.
process.on('unhandledRejection', (reason) => console.error(reason));

await import(pathToFileURL(bundle).href);
await rm(bundle);
