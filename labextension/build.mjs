// Builds into the Python package: the widget (one ES module, runtime.js, and the stub), the prebuilt JupyterLab extension
// (bundled into lib/ first, then federated by jupyter-builder), and with both the licences of what is in them.
// Always minified and without source maps, so that a build holds no path of the machine that made it.
import { execFileSync } from 'node:child_process';
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
const lab = await build({
  ...shared,
  entryPoints: ['src/lab/index.ts'],
  outfile: 'lib/lab.js',
  external: ['@jupyterlab/*', '@lumino/*'],
});
await copyFile(here('src/widget/stub.js'), `${out}stub.js`);
await writeFile(`${out}third-party-licenses.txt`, asText(await licences(metafile)));

execFileSync('jupyter-builder', ['build', '.'], { cwd: here('.'), stdio: 'inherit' });
// jupyter-builder saw one file of ours, not what is in it.
await writeFile(
  here('../mm_magics/labextension/static/third-party-licenses.json'),
  JSON.stringify({ packages: await licences(lab.metafile) }, null, 2),
);

const size = gzipSync(await readFile(`${out}runtime.js`), { level: 9 }).length;
console.log(`runtime.js: ${size} bytes gzipped (limit ${GZIP_LIMIT})`);
if (size > GZIP_LIMIT) process.exit(1);

/** The packages that a bundle holds, with their licences, in the form of JupyterLab's licence viewer. */
async function licences({ inputs }) {
  const names = new Set(
    Object.keys(inputs)
      .map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
      .filter(Boolean),
  );
  return Promise.all([...names].sort().map(licence));
}

async function licence(name) {
  const folder = here(`node_modules/${name}/`);
  const { version, license } = JSON.parse(await readFile(`${folder}package.json`, 'utf8'));
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice)/i.test(file)).sort();
  if (!files.length && !license) throw new Error(`${name} comes without a licence`);
  const texts = await Promise.all(files.map((file) => readFile(`${folder}${file}`, 'utf8')));
  return {
    name,
    versionInfo: version,
    licenseId: license ?? '',
    extractedText: texts.join('\n\n'),
  };
}

function asText(packages) {
  return packages
    .map(({ name, versionInfo, licenseId, extractedText }) =>
      [`${name} ${versionInfo} (${licenseId})`, extractedText].join('\n\n'),
    )
    .join(`\n\n${'-'.repeat(80)}\n\n`);
}
