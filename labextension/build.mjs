// Builds the widget (one ES module, runtime.js, and the stub) and the licences of what is in it into the Python package,
// and the JupyterLab plugin into lib/, for jupyter-builder to make the prebuilt extension of.
// Always minified and without source maps, so that a build holds no path of the machine that made it.
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = here('../mm_magics/display/static/');
const GZIP_LIMIT = 150_000;

const shared = {
  metafile: true,
  absWorkingDir: here('.'),
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  charset: 'utf8',
  legalComments: 'none',
  loader: { '.css': 'text' },
  logLevel: 'warning',
};

await mkdir(out, { recursive: true });
const { metafile } = await build({
  ...shared,
  entryPoints: ['src/widget/runtime.ts'],
  outfile: `${out}runtime.js`,
});
await build({
  ...shared,
  entryPoints: ['src/lab/index.ts'],
  outfile: 'lib/lab.js',
  external: ['@jupyterlab/*', '@lumino/*'],
});
await copyFile(here('src/widget/stub.js'), `${out}stub.js`);
await writeFile(`${out}third-party-licenses.txt`, await licences(Object.keys(metafile.inputs)));

const size = gzipSync(await readFile(`${out}runtime.js`), { level: 9 }).length;
console.log(`runtime.js: ${size} bytes gzipped (limit ${GZIP_LIMIT})`);
if (size > GZIP_LIMIT) process.exit(1);

/** The licence texts of the packages that these files come from, each under its name and version. */
async function licences(inputs) {
  const names = new Set(
    inputs.map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean),
  );
  const texts = [];
  for (const name of [...names].sort()) {
    const folder = here(`node_modules/${name}/`);
    const { version, license } = JSON.parse(await readFile(`${folder}package.json`, 'utf8'));
    const files = (await readdir(folder))
      .filter((file) => /^(licen[cs]e|notice)/i.test(file))
      .sort();
    if (!files.length && !license) throw new Error(`${name} comes without a licence`);
    const found = await Promise.all(files.map((file) => readFile(`${folder}${file}`, 'utf8')));
    texts.push([`${name} ${version} (${license})`, ...found].join('\n\n'));
  }
  return texts.join(`\n\n${'-'.repeat(80)}\n\n`);
}
