// What `npm start` and `npm test` do first: packages as the lock file says, bundles as the sources say. Runs
// before anything is installed, so it needs nothing but Node.js.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  fail(`Node.js ${process.versions.node} is too old: expected 20.19 or newer`);
}

installPackages();
bundleSources();

/** Installs what the lock file names, when the lock file or Node.js is another than last time. */
function installPackages() {
  const lock = readFileSync(join(root, 'package-lock.json'));
  const wanted = createHash('sha256').update(lock).update(process.version).digest('hex');
  const stamp = join(root, 'node_modules', '.keygate-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  console.log('keygate: installing packages (once)');
  run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(stamp, wanted);
}

/** Builds dist/ when a source is newer than it. */
function bundleSources() {
  const built = join(root, 'dist', '.built');
  const builtMs = existsSync(built) ? statSync(built).mtimeMs : 0;
  const folders = [
    'auth',
    'njs',
    'monitoring',
    'nginx',
    'cluster',
    'verifier',
    'cli',
    'node',
    'settings',
    'launcher',
    'stand_in',
    'container',
    'build',
    'bench',
  ];
  if (folders.every((folder) => newestMs(join(root, folder)) < builtMs)) return;
  run(process.execPath, [join(root, 'build', 'bundle.js')]);
  writeFileSync(built, '');
}

function newestMs(folder) {
  if (!existsSync(folder)) return 0;
  const times = readdirSync(folder, { withFileTypes: true }).map((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? newestMs(path) : statSync(path).mtimeMs;
  });
  return Math.max(0, ...times);
}

function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) fail(`${program} ${args[0]} failed${error ? `: ${error.message}` : ''}`);
}

function fail(message) {
  console.error(`keygate: ${message}`);
  process.exit(1);
}
