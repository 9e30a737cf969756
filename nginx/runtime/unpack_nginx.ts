// nginx and njs unpacked from Debian packages into a cache folder, without root and without installing anything.
// They run through the dynamic loader and the libraries that came with them.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Suite } from '../versions.js';
import { moduleFile } from './nginx_runtime.js';
import { Fault } from '../../node/fault.js';

export interface UnpackedNginx {
  command: string[];
  modulePath: string;
}

const loaders: { [architecture: string]: Loader } = {
  amd64: { loader: 'ld-linux-x86-64.so.2', libraries: 'x86_64-linux-gnu' },
  arm64: { loader: 'ld-linux-aarch64.so.1', libraries: 'aarch64-linux-gnu' },
};

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const dockerWay = 'or run it with Docker: docker compose up';

// Named by nginx's dependencies but not needed to serve: maintainer scripts, debconf, capabilities tools.
const unneeded =
  /^(?:cdebconf|debconf|gcc-.*|libdebian.*|libnewt.*|libslang.*|libtextwrap.*|libreadline.*|readline-common|libtinfo.*|iproute2|libbpf.*|libcap2.*|libdb5.*|libelf.*|libxtables.*|libmnl.*|libtirpc.*|libselinux.*|openssl-provider.*|libc-gconv.*|nginx-common|perl.*)$/;

/** Unpacks nginx of a Debian release once, and says how to run it. */
export async function unpackNginx(suite: Suite): Promise<UnpackedNginx> {
  const architecture = debianArchitecture();
  const names = loaders[architecture];
  if (names === undefined)
    throw new Fault(`no nginx to unpack for the architecture ${architecture}: set NGINX_RUNTIME=system, ${dockerWay}`);
  const home = unpackOnce(`nginx-${suite}-${architecture}`, suite, packages);
  const { loader, libraries } = findLoader(home, names);
  return {
    command: [loader, '--library-path', libraries, join(home, 'usr/sbin/nginx')],
    modulePath: join(home, 'usr/lib/nginx/modules', moduleFile),
  };
}

/**
 * Unpacks a single package of a Debian release once, such as a library that tests preload.
 * @returns the folder that stands for `/`
 */
export function unpackPackage(suite: Suite, name: string): string {
  return unpackOnce(`${name}-${suite}`, suite, () => [name]);
}

/** The dynamic loader of an unpacked folder, and the folder of the libraries that came with it. */
export interface Loader {
  loader: string;
  libraries: string;
}

/**
 * Unpacks programs of a Debian release and all that they depend on once, such as a browser for tests.
 * @param isNeeded whether a package that the programs depend on is to be unpacked
 * @returns the folder that stands for `/`, and how to run what is in it
 */
export function unpackPrograms(
  suite: Suite,
  programs: string[],
  isNeeded: (name: string) => boolean,
): Loader & { home: string } {
  const architecture = debianArchitecture();
  const names = loaders[architecture];
  if (names === undefined) throw new Fault(`no ${programs.join(', ')} to unpack for the architecture ${architecture}`);
  const list: ListPackages = (options) => listDependencies(options, programs).filter(isNeeded);
  const home = unpackOnce(`${programs[0]}-${suite}-${architecture}`, suite, list);
  return { home, ...findLoader(home, names) };
}

let architectureHere: string | undefined;

function debianArchitecture(): string {
  architectureHere ??= run('dpkg', ['--print-architecture'], {}).trim();
  return architectureHere;
}

function findLoader(home: string, names: Loader): Loader {
  const libraries = join(home, 'usr/lib', names.libraries);
  const paths = [join(libraries, names.loader), join(home, 'usr/lib64', names.loader), join(home, 'lib', names.loader)];
  return { libraries, loader: paths.find((path) => existsSync(path)) ?? (paths[0] as string) };
}

type ListPackages = (aptOptions: string[]) => string[];

function unpackOnce(name: string, suite: Suite, list: ListPackages): string {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'keygate');
  const home = join(cache, name);
  if (!existsSync(home)) unpackInto(home, suite, list);
  return home;
}

// Into a folder of its own first: an interrupted or concurrent run leaves no half of an nginx behind.
function unpackInto(home: string, suite: Suite, list: ListPackages): void {
  const cache = dirname(home);
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'unpacking-'));
  try {
    const options = aptOptions(work, suite);
    run('apt-get', [...options, 'update', '-qq'], {});
    const debs = join(work, 'debs');
    mkdirSync(debs);
    run('apt-get', [...options, 'download', '-qq', ...list(options)], { cwd: debs });
    const root = join(work, 'root');
    for (const deb of readdirSync(debs)) run('dpkg', ['-x', join(debs, deb), root], {});
    if (!existsSync(home)) renameSync(root, home);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function aptOptions(work: string, suite: Suite): string[] {
  mkdirSync(join(work, 'lists', 'partial'), { recursive: true });
  if (!existsSync(keyring)) {
    throw new Fault(
      `${keyring} is missing: install debian-archive-keyring, an nginx with njs 1.0.1 or newer, ${dockerWay}`,
    );
  }
  writeFileSync(join(work, 'sources.list'), `deb [signed-by=${keyring}] ${findMirror()} ${suite} main\n`);
  const settings = {
    'Dir::Etc::SourceList': join(work, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(work, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::Cache': work,
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    'Acquire::Check-Valid-Until': 'false', // a frozen mirror's Release file may be past its date
    'Acquire::Languages': 'none',
    'APT::Sandbox::User': '',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

// The mirror that the machine's own apt uses.
function findMirror(): string {
  const args = ['indextargets', '--format', '$(REPO_URI) $(COMPONENT) $(ORIGIN)', 'Created-By: Packages'];
  const lines = run('apt-get', args, {}).split('\n');
  const main = lines
    .map((line) => line.split(' '))
    .filter(([uri, component]) => component === 'main' && !/security|ubuntu/i.test(uri ?? ''));
  const mirror = main[0]?.[0];
  if (mirror === undefined)
    throw new Fault(
      `apt knows no Debian mirror to take nginx from: install an nginx with njs 1.0.1 or newer, ${dockerWay}`,
    );
  return mirror;
}

function packages(options: string[]): string[] {
  return listDependencies(options, ['nginx', 'libnginx-mod-http-js']).filter((name) => !unneeded.test(name));
}

function listDependencies(options: string[], names: string[]): string[] {
  const omit = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances'].map((kind) => `--no-${kind}`);
  const listed = run('apt-cache', [...options, 'depends', '--recurse', ...omit, ...names], {});
  return [...new Set(listed.split('\n').filter((line) => /^[a-z0-9]/.test(line)))];
}

function run(program: string, args: string[], options: { cwd?: string }): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { ...options, encoding: 'utf8' });
  if (error !== undefined)
    throw new Fault(
      `${program} is not on this machine, so nginx can't be unpacked: install an nginx with njs 1.0.1 or newer, ` +
        `${dockerWay}`,
    );
  if (status !== 0)
    throw new Fault(
      `${program} failed: ${stderr.trim().split('\n').pop() ?? ''}: install an nginx with njs 1.0.1 or newer, ` +
        `${dockerWay}`,
    );
  return stdout;
}
