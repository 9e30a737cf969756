// The gateway's configuration for this machine: which nginx, engine and entry point, and all files under STATE_DIR.

import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findNginx } from '../nginx/runtime/find_nginx.js';
import type { NginxRuntime } from '../nginx/runtime/nginx_runtime.js';
import { checkJsAccess, type Engine } from '../nginx/versions.js';
import { renderGateway, type GatewayFacts } from '../nginx/gateway/render.js';
import { type CertificateFiles, findCertificate } from './certificate.js';
import type { Settings } from '../settings/read.js';
import { describeLimit, findCaFile, findFreePort, findResolver, fitsSocket, sharedFacts } from './facts.js';
import { Fault } from '../node/fault.js';

export interface ChosenGateway {
  runtime: NginxRuntime;
  engine: Engine;
}

export interface GatewayFiles {
  dir: string;
  configuration: string;
  errorLog: string;
  /** A line about the number of streams that this machine allows, where that is less than wanted. */
  limit: string | undefined;
}

/** The folder of everything that nginx reads and writes. */
export function nginxDir({ stateDir }: Settings): string {
  return join(stateDir, 'run', 'nginx');
}

/** Finds nginx and checks that it has what JS_ENGINE and AUTH_ENTRY ask for. */
export async function chooseGateway(settings: Settings): Promise<ChosenGateway> {
  const runtime = await findNginx(settings.nginxRuntime);
  const { engines, njsVersion } = runtime;
  const engine = settings.jsEngine === 'auto' ? (engines[0] as Engine) : settings.jsEngine;
  if (!engines.includes(engine)) {
    throw new Fault(
      `JS_ENGINE=${engine}: njs ${njsVersion} of this nginx has only ${engines.join(', ')}: set JS_ENGINE=auto`,
    );
  }
  const needs = settings.authEntry === 'access' ? checkJsAccess({ njsVersion, engine }) : undefined;
  if (needs !== undefined) throw new Fault(`AUTH_ENTRY=access ${needs}: set AUTH_ENTRY=auto`);
  return { runtime, engine };
}

/** Writes nginx.conf and everything that it includes. */
export async function writeGateway(
  settings: Settings,
  gateway: ChosenGateway,
  upstreamUrl: string,
): Promise<GatewayFiles> {
  const dir = nginxDir(settings);
  const certificate = await findCertificate(settings);
  rmSync(join(dir, 'conf'), { recursive: true, force: true });
  // A killed nginx leaves its socket behind, and the next one would not start; nobody but nginx may enter the folder.
  rmSync(join(dir, 'sockets'), { recursive: true, force: true });
  mkdirSync(join(dir, 'sockets'), { recursive: true, mode: 0o700 });
  for (const part of ['logs', 'temp']) mkdirSync(join(dir, part), { recursive: true });
  const chosen = { gateway, upstreamUrl, dir, certificate, decisionAddress: await placeDecision(dir) };
  const facts = gatewayFacts(settings, chosen);
  const { files } = renderGateway(settings, facts);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, 'conf', path)), { recursive: true });
    writeFileSync(join(dir, 'conf', path), content, { mode: 0o640 });
  }
  const { errorLog, openFiles } = facts;
  return { dir, configuration: join(dir, 'conf', 'nginx.conf'), errorLog, limit: describeLimit(openFiles) };
}

interface Chosen {
  gateway: ChosenGateway;
  upstreamUrl: string;
  dir: string;
  certificate: CertificateFiles;
  decisionAddress: string;
}

// Where STATE_DIR is too long for a socket's path, the decision server listens on a port instead.
async function placeDecision(dir: string): Promise<string> {
  const path = join(dir, 'sockets', 'decision.sock');
  return fitsSocket(`${path}.4`) ? `unix:${path}` : `127.0.0.1:${await findFreePort()}`;
}

function gatewayFacts(settings: Settings, chosen: Chosen): GatewayFacts {
  const { gateway, upstreamUrl, dir, certificate, decisionAddress } = chosen;
  return {
    ...sharedFacts(settings, certificate, upstreamUrl),
    runDir: dir,
    tempDir: join(dir, 'temp'),
    modulePath: gateway.runtime.modulePath,
    engine: gateway.engine,
    nginxVersion: gateway.runtime.nginxVersion,
    decisionAddress,
    decisionSecret: randomBytes(16).toString('hex'),
    userDirective: process.getuid?.() === 0 ? 'user root;' : '',
    errorLog: join(dir, 'logs', 'error.log'),
    accessLog: join(dir, 'logs', 'access.log'),
    workers: 'auto',
    resolver: findResolver(),
    caFile: findCaFile() ?? certificate.certificate,
  };
}

/** The command that runs nginx on these files. */
export function nginxCommand({ runtime }: ChosenGateway, files: GatewayFiles): [string, ...string[]] {
  const args = ['-e', files.errorLog, '-p', files.dir, '-c', files.configuration];
  return [...runtime.command, ...args] as [string, ...string[]];
}

/** @throws Fault with nginx's own words when it does not take the configuration */
export function testConfiguration(gateway: ChosenGateway, files: GatewayFiles): void {
  const [program, ...args] = nginxCommand(gateway, files);
  const { status, stderr } = spawnSync(program, [...args, '-t', '-q'], { encoding: 'utf8' });
  const emergency = stderr.split('\n').find((line) => line.includes('[emerg]')) ?? stderr.trim();
  if (status !== 0) throw new Fault(`nginx refuses its configuration: ${emergency.replace(/^.*\[emerg\]\s*/, '')}`);
}
