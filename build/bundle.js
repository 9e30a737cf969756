// Bundles every program into dist/: one for QuickJS, one for nginx's old engine, the others for Node.js.

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { transformAsync } from '@babel/core';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');

const nodePrograms = {
  verifier: 'verifier/main.ts',
  bcrypt_worker: 'verifier/bcrypt_worker.ts',
  keygate_command: 'verifier/cli/main.ts',
  start: 'demo/start.ts',
  upstream: 'demo/upstream_main.ts',
  nginx_watcher: 'demo/nginx_watcher.ts',
  check: 'container/check.ts',
  setup: 'container/setup.ts',
  health_check: 'container/health_check.ts',
  bench: 'bench/main.ts',
};

/** Options for what nginx runs: no Node.js, no npm package, and only the modules that njs brings. */
function njsBundle(isQuickJs, entry = 'njs/main.ts') {
  return {
    entryPoints: [join(root, entry)],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    target: isQuickJs ? 'es2022' : 'es2021',
    external: ['crypto', 'fs'],
    charset: 'ascii',
    define: { KEYGATE_QUICKJS: String(isQuickJs) },
    minifySyntax: true, // drops what the other engine needs
    // The other engine knows no destructuring, and its error names this token: what to do, at `nginx -t`.
    banner: {
      js: isQuickJs ? 'const { keygate_js_is_for_js_engine_qjs__run_keygate_install_again } = {};' : '',
    },
  };
}

/**
 * The old engine runs all top-level code on every request, QuickJS in every context, and each function there costs time
 * or memory. So everything that a known credential does not need (njs/cold.ts) becomes the body of one function, which
 * is run when it is first asked for.
 */
async function bundleForEngine(isQuickJs) {
  const builtIns = { crypto: 'export default keygateCrypto;', fs: 'export default keygateFs;' };
  const cold = await build({
    ...njsBundle(isQuickJs, 'njs/cold.ts'),
    external: [],
    banner: {},
    plugins: [inPlaceOf(/^(?:crypto|fs)$/, (path) => builtIns[path])],
  });
  // Not esbuild's `iife`: engines keep the source of each function, that of a function within a function twice.
  const coldText = isQuickJs ? cold.outputFiles[0].text : await lower(cold.outputFiles[0].text);
  const body = coldText.replace(/export \{\s*(\w+) as default\s*\};/, 'return $1;');
  const loadCold = `
import { nodeCrypto as keygateCrypto } from './hash.js';
import keygateFs from 'fs';
const made = { cold: undefined };
export function loadCold() {
  if (made.cold === undefined) made.cold = makeCold();
  return made.cold;
}
function makeCold() {
${body}
}`;
  return build({ ...njsBundle(isQuickJs), plugins: [inPlaceOf(/\/load_cold\.js$/, () => loadCold)] });
}

function inPlaceOf(filter, textOf) {
  return {
    name: 'in place of',
    setup(build) {
      build.onResolve({ filter }, ({ path }) => ({ path, namespace: 'in-place' }));
      build.onLoad({ filter: /.*/, namespace: 'in-place' }, ({ path }) => ({
        contents: textOf(path),
        resolveDir: join(root, 'njs'),
      }));
    },
  };
}

async function bundleForNginx() {
  const [quick, old] = await Promise.all([bundleForEngine(true), bundleForEngine(false)]);
  writeFileSync(join(dist, 'keygate.js'), quick.outputFiles[0].text);
  writeFileSync(join(dist, 'keygate.es5.js'), await lower(old.outputFiles[0].text));
}

// Before cold.ts is put into its function, too: what Babel adds would otherwise stand outside of it.
async function lower(text) {
  const options = { presets: ['babel-preset-njs'], configFile: false, babelrc: false, compact: false };
  const lowered = await transformAsync(text, options);
  return lowered.code;
}

async function bundleForNode() {
  const entryPoints = Object.fromEntries(
    Object.entries(nodePrograms).filter(([, source]) => existsSync(join(root, source))),
  );
  await build({
    entryPoints,
    absWorkingDir: root,
    outdir: dist,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    banner: { js: '#!/usr/bin/env node' },
  });
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
await Promise.all([bundleForNginx(), bundleForNode()]);
