// What every measure needs: credentials, the upstream, plain nginx and the sidecar, running; and how to start more.

import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findNginx } from '../nginx/runtime/find_nginx.js';
import type { NginxRuntime } from '../nginx/runtime/nginx_runtime.js';
import { findFreePort } from '../launcher/facts.js';
import type { Aim, Subject } from './comparison.js';
import * as configurations from './configurations.js';
import { makeKeys, makeSigner, signTokens, type Signer } from './credentials.js';
import { pause, startNginx, startSidecar } from './processes.js';

/** How much is measured. */
export interface Scale {
  seconds: number;
  rounds: number;
  freshRounds: number;
  /** How many different tokens of each algorithm there are: more than are checked in a second. */
  freshTokens: number;
  streams: number;
  streamRounds: number;
}

export interface Credentials {
  rsa: Signer;
  ec: Signer;
  rsaTokens: string[];
  ecTokens: string[];
  keys: string[];
}

export type GateOptions = Partial<configurations.Gate>;

export interface Stand {
  dir: string;
  scale: Scale;
  runtime: NginxRuntime;
  credentials: Credentials;
  stateDir: string;
  upstreamPort: number;
  plain: Subject;
  /** Ends everything that was started; whoever starts more adds to it. */
  stops: (() => Promise<void>)[];
  start: (name: string, configuration: configurations.Configuration, place?: PlaceOptions) => Promise<Subject>;
  /** Keygate as it ships, but for the options. */
  gate: (options?: GateOptions) => configurations.Configuration;
}

type PlaceOptions = Pick<configurations.Place, 'streamPort' | 'isLocal'>;

const freshKeys = 16000;

/** Connections of the load generator, where a measure has no reason for others. */
export const connections = 32;

/** How long a gate takes until keys are taken up and the work of its start is over. */
export const startMs = 1500;

/**
 * Starts what all measures share.
 * @param dir a folder for everything
 * @param stops is filled with what ends it, also when the start fails halfway
 */
export async function makeStand(dir: string, scale: Scale, stops: Stand['stops']): Promise<Stand> {
  const runtime = await findNginx('auto');
  const stateDir = join(dir, 'state');
  const jwksPath = join(dir, 'jwks.json');
  const { lines, ...credentials } = await makeCredentials(scale);
  makeStateDir(stateDir, lines);
  writeFileSync(jwksPath, JSON.stringify({ keys: [credentials.rsa.jwk, credentials.ec.jwk] }));
  const upstreamPort = await findFreePort();
  const start: Stand['start'] = async (name, configuration, options = {}) => {
    const port = name === 'upstream' ? upstreamPort : await findFreePort();
    const place = { ...options, dir: join(dir, name), port, upstreamPort };
    const process = await startNginx(runtime.command, place, configuration(place));
    stops.push(process.stop);
    return { name, port, process };
  };
  const { modulePath, nginxVersion } = runtime;
  const usual = {
    engine: 'qjs',
    entry: 'auth_request',
    modulePath,
    nginxVersion,
    stateDir,
    jwksPath,
  } as const;
  const gate: Stand['gate'] = (options) => (place) => configurations.gated(place, { ...usual, ...options });
  const sidecar = await startSidecar(stateDir);
  stops.push(sidecar.stop);
  await start('upstream', configurations.upstream);
  const plain = await start('plain', configurations.plain);
  return { dir, scale, runtime, credentials, stateDir, upstreamPort, plain, stops, start, gate };
}

async function makeCredentials({ freshTokens }: Scale): Promise<Credentials & { lines: string }> {
  say(`signing ${2 * freshTokens} tokens`);
  const [rsa, ec] = [await makeSigner('RS256'), await makeSigner('ES256')];
  const [rsaTokens, ecTokens] = [await signTokens(rsa, freshTokens), await signTokens(ec, freshTokens)];
  return { rsa, ec, rsaTokens, ecTokens, ...makeKeys(freshKeys) };
}

/** Makes the folder that a gate and its sidecar share. */
export function makeStateDir(stateDir: string, keyLines: string): void {
  for (const part of ['keys', 'public', 'run']) mkdirSync(join(stateDir, part), { recursive: true });
  writeFileSync(join(stateDir, 'keys', 'api_keys.txt'), keyLines);
}

/**
 * Makes every remembered verdict void, by a new generation of keys. A line of the deny list brings the generation: the
 * worker that is measured takes up a small file at once, but would parse 16,000 keys for a while.
 */
export async function forget({ stateDir }: Stand): Promise<void> {
  appendFileSync(join(stateDir, 'keys', 'denied.txt'), `jti:${Date.now()}\n`);
  await pause(1200);
}

/** One credential, over and over. */
export function aimKnown({ dir, scale, credentials }: Stand): Aim {
  const value = `Bearer ${credentials.rsaTokens[0]}`;
  const scriptFile = join(dir, 'wrk.lua');
  return { seconds: scale.seconds, connections, scriptFile, header: 'Authorization', value };
}

/** Different tokens or keys in turn, for a second; they stand in one file, until the next list is made. */
export function aimList({ dir }: Stand, kind: 'token' | 'key', list: string[]): Aim {
  const listFile = join(dir, 'list');
  writeFileSync(listFile, list.map((one) => (kind === 'token' ? `Bearer ${one}` : one)).join('\n'));
  const header = kind === 'token' ? 'Authorization' : 'x-api-key';
  return { seconds: 1, connections, scriptFile: join(dir, 'wrk.lua'), header, listFile };
}

/** Tells whoever waits how far it is; standard output has the JSON line alone. */
export function say(text: string): void {
  console.error(text);
}
