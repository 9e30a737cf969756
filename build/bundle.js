// Bundles every program into dist/: one for QuickJS, one for nginx's old engine, the others for Node.js.

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { transformAsync } from '@babel/core';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const staging = mkdtempSync(join(root, '.dist-'));

const nodePrograms = {
  verifier: 'verifier/main.ts',
  bcrypt_worker: 'verifier/bcrypt/bcrypt_worker.ts',
  keygate_command: 'cli/main.ts',
  start: 'launcher/start.ts',
  upstream: 'stand_in/main.ts',
  nginx_watcher: 'launcher/nginx_watcher.ts',
  check: 'container/check.ts',
  setup: 'container/setup.ts',
  health_check: 'container/health_check.ts',
  bench: 'bench/main.ts',
};

/** Bundles for nginx, each in a version for either engine: NAME.js and NAME.es5.js. */
const nginxPrograms = {
  keygate: 'njs/main.ts',
  keygate_counter: 'njs/metrics/count_request.ts',
  keygate_metrics: 'njs/metrics/main.ts',
};

/** Options for what nginx runs: no Node.js, no npm package, and only the modules that njs brings. */
function njsBundle(source, isQuickJs) {
  return {
    entryPoints: [join(root, source)],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'neutral',
    target: isQuickJs ? 'es2022' : 'es2021',
    external: ['crypto', 'fs'],
    charset: 'ascii',
    define: { KEYGATE_QUICKJS: String(isQuickJs), KEYGATE_VERSION: JSON.stringify(version) },
    minifySyntax: true, // drops what the other engine needs
    // The other engine has no destructuring. Its error at `nginx -t` names this identifier, which says what to do.
    banner: {
      js: isQuickJs ? 'const { keygate_js_is_for_js_engine_qjs__run_keygate_install_again } = {};' : '',
    },
  };
}

async function bundleForNginx(name, source) {
  const [quick, old] = await Promise.all([build(njsBundle(source, true)), build(njsBundle(source, false))]);
  writeFileSync(join(staging, `${name}.js`), quick.outputFiles[0].text);
  writeFileSync(join(staging, `${name}.es5.js`), await lower(old.outputFiles[0].text));
}

async function lower(text) {
  // Methods are assigned, not defined one by one: the old engine makes each class anew for each request.
  const assumptions = { setClassMethods: true, noClassCalls: true };
  const options = {
    presets: ['babel-preset-njs'],
    assumptions,
    configFile: false,
    babelrc: false,
    compact: false,
  };
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
    outdir: staging,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    banner: { js: '#!/usr/bin/env node' },
  });
}

// Built beside dist/ and moved there file by file: a program that is started meanwhile is the old or the new program.
const forNginx = Object.entries(nginxPrograms).map(([name, source]) => bundleForNginx(name, source));
await Promise.all([...forNginx, bundleForNode()]);
mkdirSync(dist, { recursive: true });
const built = readdirSync(staging);
for (const name of built) renameSync(join(staging, name), join(dist, name));
for (const name of readdirSync(dist)) {
  if (!built.includes(name) && !name.startsWith('.')) rmSync(join(dist, name), { recursive: true });
}
rmSync(staging, { recursive: true });
