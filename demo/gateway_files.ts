// The gateway's configuration for this machine: which nginx, engine and entry point, and all files under STATE_DIR.

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findNginx, type NginxRuntime } from '../build/nginx_runtime.js';
import { renderGateway, type GatewayFacts } from '../nginx/render.js';
import type { CertificateFiles } from './certificate.js';
import type { Settings } from '../settings/read.js';
import { loadSecret, verifierSecretPath } from '../verifier/state_files.js';
import { findCaFile, findCertificate, StartFault } from './preparations.js';

export interface ChosenGateway {
  runtime: NginxRuntime;
  engine: 'qjs' | 'njs';
  guard: 'access' | 'auth_request';
}

export interface GatewayFiles {
  dir: string;
  configuration: string;
  errorLog: string;
}

const packageDir = join(import.meta.dirname, '..');

/** Finds nginx and checks that it has what JS_ENGINE and AUTH_ENTRY ask for. */
export async function chooseGateway(settings: Settings): Promise<ChosenGateway> {
  const runtime = await findNginx({ runtime: settings.nginxRuntime });
  const { engines, hasJsAccess, njsVersion } = runtime;
  const engine = settings.jsEngine === 'auto' ? (engines[0] as 'qjs' | 'njs') : settings.jsEngine;
  if (!engines.includes(engine)) throw new StartFault(`JS_ENGINE=${engine}: njs ${njsVersion} of this nginx has only ${engines.join(', ')}: set JS_ENGINE=auto`); // prettier-ignore
  if (settings.authEntry === 'access' && !hasJsAccess) {
    throw new StartFault(`AUTH_ENTRY=access: njs ${njsVersion} is too old: expected 1.0.1 or newer (0.9.9 to 1.0.0 can be bypassed, CVE-2026-18329): set AUTH_ENTRY=auto`); // prettier-ignore
  }
  if (settings.authEntry === 'access' && engine !== 'qjs') {
    throw new StartFault(`AUTH_ENTRY=access needs the engine qjs, and JS_ENGINE=${engine} is chosen: set AUTH_ENTRY=auto`);
  }
  const guard = settings.authEntry === 'access' ? 'access' : 'auth_request';
  return { runtime, engine, guard };
}

/** Writes nginx.conf and everything that it includes. */
export async function writeGateway(
  settings: Settings,
  gateway: ChosenGateway,
  upstreamUrl: string,
): Promise<GatewayFiles> {
  const dir = join(settings.stateDir, 'run', 'nginx');
  const certificate = await findCertificate(settings);
  rmSync(join(dir, 'conf'), { recursive: true, force: true });
  // A killed nginx leaves its socket behind, and the next one would not start; nobody but nginx may enter the folder.
  rmSync(join(dir, 'sockets'), { recursive: true, force: true });
  mkdirSync(join(dir, 'sockets'), { recursive: true, mode: 0o700 });
  for (const part of ['logs', 'temp']) mkdirSync(join(dir, part), { recursive: true });
  const { files } = renderGateway(
    settings,
    gatewayFacts(settings, { gateway, upstreamUrl, dir, certificate }),
  );
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, 'conf', path)), { recursive: true });
    writeFileSync(join(dir, 'conf', path), content, { mode: 0o640 });
  }
  return { dir, configuration: join(dir, 'conf', 'nginx.conf'), errorLog: join(dir, 'logs', 'error.log') };
}

interface Known {
  gateway: ChosenGateway;
  upstreamUrl: string;
  dir: string;
  certificate: CertificateFiles;
}

function gatewayFacts(settings: Settings, { gateway, upstreamUrl, dir, certificate }: Known): GatewayFacts {
  return {
    sourceDir: join(packageDir, 'nginx'),
    distDir: join(packageDir, 'dist'),
    runDir: dir,
    tempDir: join(dir, 'temp'),
    modulePath: gateway.runtime.modulePath,
    engine: gateway.engine,
    nginxVersion: gateway.runtime.nginxVersion,
    decisionAddress: `unix:${join(dir, 'sockets', 'decision.sock')}`,
    decisionSecret: randomBytes(16).toString('hex'),
    openFiles: openFileLimit(),
    guard: gateway.guard,
    userDirective: process.getuid?.() === 0 ? 'user root;' : '',
    certificate: certificate.certificate,
    certificateKey: certificate.key,
    upstreamUrl,
    apiKeysFile: settings.apiKeysFile,
    stateDir: settings.stateDir,
    jwksPath: settings.jwksPath ?? '',
    sidecarAddress: settings.verifierListen ?? `unix:${settings.verifierSocket}`,
    sidecarSecret:
      settings.verifierListen === undefined
        ? undefined
        : loadSecret(verifierSecretPath(settings.stateDir), 0o600),
    errorLog: join(dir, 'logs', 'error.log'),
    accessLog: join(dir, 'logs', 'access.log'),
    workers: 'auto',
    resolver: findResolver(),
    caFile: findCaFile() ?? certificate.certificate,
  };
}

const wantedOpenFiles = 65536;

// A process may raise its limit as far as the hard one.
function openFileLimit(): number {
  const limits = existsSync('/proc/self/limits') ? readFileSync('/proc/self/limits', 'utf8') : '';
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1];
  return Math.min(wantedOpenFiles, Number(hard ?? 4096));
}

// The machine's own name server: nginx does not read resolv.conf by itself.
function findResolver(): string {
  try {
    const server = /^nameserver\s+(\S+)/m.exec(readFileSync('/etc/resolv.conf', 'utf8'))?.[1] ?? '127.0.0.1';
    return server.includes(':') ? `[${server}]` : server;
  } catch {
    return '127.0.0.1';
  }
}

/** @throws StartFault with nginx's own words when it does not take the configuration */
export function testConfiguration({ runtime }: ChosenGateway, files: GatewayFiles): void {
  const [program, ...rest] = runtime.command as [string, ...string[]];
  const args = [...rest, '-t', '-q', '-e', files.errorLog, '-p', files.dir, '-c', files.configuration];
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  const emergency = stderr.split('\n').find((line) => line.includes('[emerg]')) ?? stderr.trim();
  if (status !== 0)
    throw new StartFault(`nginx refuses its configuration: ${emergency.replace(/^.*\[emerg\]\s*/, '')}`);
}
