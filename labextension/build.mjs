// Builds the front end into the Python package: the widgets (runtime.js and picker.js, one ES module each, and stub.js), and
// the prebuilt JupyterLab extension (bundled into lib/ and then packaged by jupyter-builder). Both use typesetting.js, which
// is among the files of the extension, as are the licenses of the dependencies of both. Builds are minified and have no source
// maps, so they contain no paths of the build machine.
// With --watch, it builds with source maps instead and rebuilds after each change of a source file.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build, context as createContext } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = here('../mm_magics/display/static/');
const extension = here('../mm_magics/labextension/');
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

const widget = { ...shared, entryPoints: ['src/widget/runtime.ts'], outfile: `${out}runtime.js` };
const typesetting = {
  ...shared,
  entryPoints: ['src/widget/typesetting.ts'],
  outfile: `${extension}static/typesetting.js`,
};
const picker = { ...shared, entryPoints: ['src/widget/picker.ts'], outfile: `${out}picker.js` };
const lab = {
  ...shared,
  entryPoints: [{ in: 'src/lab/index.ts', out: 'lab' }],
  outdir: 'lib',
  // What a click needs is loaded at the click.
  splitting: true,
  external: [
    '@codemirror/lang-markdown',
    '@codemirror/lang-python',
    '@codemirror/language',
    '@codemirror/state',
    '@codemirror/view',
    '@jupyterlab/*',
    '@lezer/*',
    '@lumino/*',
  ],
};

await rm(here('lib'), { recursive: true, force: true });
await mkdir(out, { recursive: true });
await copyFile(here('src/widget/stub.js'), `${out}stub.js`);
await (process.argv.includes('--watch') ? watch() : buildOnce());

async function buildOnce() {
  const { metafile } = await build(widget);
  await build(picker); // it uses no packages
  const { metafile: labMetafile } = await build(lab);
  execFileSync('jupyter-builder', ['build', '.'], { cwd: here('.'), stdio: 'inherit' });
  const { metafile: typesettingMetafile } = await build(typesetting); // jupyter-builder empties the folder
  // jupyter-builder sees only the bundled files, not the packages in them.
  await writeFile(
    `${extension}static/third-party-licenses.json`,
    JSON.stringify(
      { packages: await licenses(metafile, labMetafile, typesettingMetafile) },
      null,
      2,
    ),
  );
  checkSize('runtime.js', [`${out}runtime.js`]);
  checkSize('lab.js', startFiles('lib/lab.js', labMetafile));
}

/** Return a file of the bundle and those that load with it. */
function startFiles(name, { outputs }) {
  const found = new Set([name]);
  for (const each of found)
    for (const { path, kind, external } of outputs[each].imports)
      if (kind === 'import-statement' && !external) found.add(path);
  return [...found].map(here);
}

/** Fail if more would load before the first text than is allowed. */
function checkSize(name, files) {
  const size = gzipSync(files.map((file) => readFileSync(file)).join(''), { level: 9 }).length;
  console.log(`${name}: ${size} bytes gzipped (limit ${GZIP_LIMIT})`);
  if (size > GZIP_LIMIT) process.exit(1);
}

/** Rebuild after each change, until interrupted. */
async function watch() {
  for (const options of [widget, picker, lab]) await watchFiles(options);
  await rm(`${extension}package.json`, { force: true });
  const builder = spawn('jupyter-builder', ['watch', '--development=True', '.'], {
    cwd: here('.'),
    stdio: 'inherit',
  });
  builder.on('exit', (code) => process.exit(code ?? 0));
  process.on('SIGTERM', () => builder.kill());
  while (!existsSync(`${extension}package.json`)) await wait(100); // jupyter-builder empties the folder before it
  await watchFiles(typesetting);
}

async function watchFiles(options) {
  const context = await createContext({
    ...options,
    minify: false,
    sourcemap: 'inline',
    logLevel: 'info',
  });
  await context.rebuild();
  await context.watch();
}

/** Return the packages in a bundle with their licenses, in the format of JupyterLab's license viewer. */
async function licenses(...metafiles) {
  const names = new Set(
    metafiles
      .flatMap(({ inputs }) => Object.keys(inputs))
      .map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1])
      .filter(Boolean),
  );
  return Promise.all([...names].sort().map(licenseOf));
}

async function licenseOf(name) {
  const folder = here(`node_modules/${name}/`);
  const { version, license } = JSON.parse(await readFile(`${folder}package.json`, 'utf8'));
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice)/i.test(file)).sort();
  if (!files.length && !license) throw new Error(`${name} has no license`);
  const texts = await Promise.all(files.map((file) => readFile(`${folder}${file}`, 'utf8')));
  return {
    name,
    versionInfo: version,
    licenseId: license ?? '',
    extractedText: texts.join('\n\n'),
  };
}
