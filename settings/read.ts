// Environment to settings: every fault is found before anything starts, and all are told at once.

import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { parseEnvironmentKeys } from '../auth/key_file.js';
import { nodePlatform } from '../node/crypto.js';
import { findConflicts, splitList } from './conflicts.js';
import { fromFiles, table, type Setting, type SettingName } from './table.js';

export interface RateLimit {
  requests: number;
  per: 's' | 'm';
}

/** All settings, checked. Paths are absolute. */
export interface Settings {
  listenAddress: string;
  listenPort: number;
  upstreamUrl: string | undefined;
  upstreamCa: string | undefined;
  hostCertsDir: string | undefined;
  apiKey: string | undefined;
  apiKeys: string | undefined;
  /** The file to read, whether it was named or is the default. */
  apiKeysFile: string;
  isApiKeysFileNamed: boolean;
  keysMaxStaleSeconds: number;
  jwksPath: string | undefined;
  jwksUrl: string | undefined;
  jwksTtlSeconds: number;
  jwksCa: string | undefined;
  jwksMaxStaleSeconds: number;
  jwtAudience: string | undefined;
  jwtIssuer: string | undefined;
  jwtLeewaySeconds: number;
  requireScope: string | undefined;
  forwardCredential: boolean;
  jwtTtlSeconds: number;
  jwtAlg: 'RS256' | 'ES256' | 'EdDSA';
  /** MINT_ISSUER, or what follows from the other settings. */
  mintIssuer: string;
  bcryptThreads: number;
  bcryptQueue: number;
  rateLimitApi: RateLimit | 'off';
  rateLimitApiBurst: number;
  rateLimitAuth: RateLimit | 'off';
  rateLimitAuthBurst: number;
  trustedProxies: string[];
  corsPreflight: 'deny' | 'pass';
  stateDir: string;
  nginxRuntime: 'auto' | 'system' | 'debian13' | 'debian14';
  jsEngine: 'auto' | 'qjs' | 'njs';
  authEntry: 'auto' | 'access' | 'auth_request';
  metricsPort: number;
  githubToken: string | undefined;
  /** Where the sidecar listens. */
  verifierSocket: string;
  verifierListen: string | undefined;
}

/** Values by name: checked one by one, defaults filled in. */
export type Values = { [name in SettingName]?: string };

/** What is wrong with the settings: a line each, `NAME: expected ...`. */
export class SettingsError extends Error {
  constructor(readonly faults: string[]) {
    super(faults.join('\n'));
    this.name = 'SettingsError';
  }
}

/**
 * Reads all settings from environment variables; an empty value counts as unset.
 * @throws SettingsError with every fault
 */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const faults: string[] = [];
  const values: Values = {};
  for (const name of Object.keys(table) as SettingName[]) {
    const setting: Setting = table[name];
    const given = readValue(env, name, faults);
    if (given !== undefined && !setting.isValid(given)) faults.push(`${name}: expected ${setting.expected}`);
    const value = given ?? setting.standard;
    if (value !== undefined) values[name] = value;
  }
  faults.push(...findConflicts(values), ...findPlaceholders(values));
  if (faults.length > 0) throw new SettingsError(faults);
  return toSettings(values);
}

function readValue(env: NodeJS.ProcessEnv, name: SettingName, faults: string[]): string | undefined {
  const value = env[name]?.trim() || undefined;
  const file = fromFiles.includes(name) ? env[`${name}_FILE`]?.trim() : undefined;
  if (!file) return value;
  if (value !== undefined) faults.push(`${name}_FILE: expected to be unset, as ${name} is set`);
  try {
    return readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    faults.push(`${name}_FILE: expected a readable file`);
    return undefined;
  }
}

// The same check that nginx and the sidecar make, but before anything is started.
function findPlaceholders({ API_KEY = '', API_KEYS = '' }: Values): string[] {
  return parseEnvironmentKeys(API_KEY, API_KEYS, nodePlatform).problems.map(({ problem }) => problem);
}

type Filled = Required<Values>;

function toSettings(given: Values): Settings {
  const values = given as Filled; // those with a default are there; the others are looked at one by one
  const stateDir = resolve(values.STATE_DIR);
  const jwksPath = toPath(given.JWKS_PATH) ?? findJwks(given);
  return {
    ...startSettings(given, values),
    ...limitSettings(given, values),
    stateDir,
    apiKey: given.API_KEY,
    apiKeys: given.API_KEYS,
    apiKeysFile: toPath(given.API_KEYS_FILE) ?? join(stateDir, 'keys', 'api_keys.txt'),
    isApiKeysFileNamed: given.API_KEYS_FILE !== undefined,
    keysMaxStaleSeconds: Number(values.KEYS_MAX_STALE),
    jwksPath,
    jwksUrl: given.JWKS_URL,
    jwksTtlSeconds: Number(values.JWKS_TTL),
    jwksCa: toPath(given.JWKS_CA),
    jwksMaxStaleSeconds: Number(values.JWKS_MAX_STALE),
    jwtAudience: given.JWT_AUDIENCE,
    jwtIssuer: given.JWT_ISSUER,
    jwtLeewaySeconds: Number(values.JWT_LEEWAY),
    requireScope: given.REQUIRE_SCOPE,
    forwardCredential: values.FORWARD_CREDENTIAL === 'on',
    jwtTtlSeconds: Number(values.JWT_TTL),
    jwtAlg: values.JWT_ALG as Settings['jwtAlg'],
    mintIssuer: given.MINT_ISSUER ?? defaultMintIssuer(given, jwksPath),
    bcryptThreads: Number(given.BCRYPT_THREADS ?? Math.max(1, Math.floor(availableParallelism() / 2))),
    bcryptQueue: Number(values.BCRYPT_QUEUE),
    verifierSocket: toPath(given.VERIFIER_SOCKET) ?? join(stateDir, 'run', 'verifier.sock'),
    verifierListen: given.VERIFIER_LISTEN,
  };
}

function startSettings(given: Values, values: Filled) {
  return {
    listenAddress: values.LISTEN_ADDRESS,
    listenPort: Number(values.LISTEN_PORT),
    upstreamUrl: given.UPSTREAM_URL,
    upstreamCa: toPath(given.UPSTREAM_CA),
    hostCertsDir: toPath(given.HOST_CERTS_DIR),
    corsPreflight: values.CORS_PREFLIGHT as Settings['corsPreflight'],
    nginxRuntime: values.NGINX_RUNTIME as Settings['nginxRuntime'],
    jsEngine: values.JS_ENGINE as Settings['jsEngine'],
    authEntry: values.AUTH_ENTRY as Settings['authEntry'],
    metricsPort: Number(values.METRICS_PORT),
    githubToken: given.GITHUB_TOKEN,
  };
}

function limitSettings(given: Values, values: Filled) {
  return {
    rateLimitApi: toRate(values.RATE_LIMIT_API),
    rateLimitApiBurst: Number(values.RATE_LIMIT_API_BURST),
    rateLimitAuth: toRate(values.RATE_LIMIT_AUTH),
    rateLimitAuthBurst: Number(values.RATE_LIMIT_AUTH_BURST),
    trustedProxies: splitList(given.TRUSTED_PROXIES),
  };
}

function toPath(value: string | undefined): string | undefined {
  return value === undefined ? undefined : resolve(value);
}

function toRate(value: string): RateLimit | 'off' {
  if (value === 'off') return 'off';
  return { requests: parseInt(value, 10), per: value.endsWith('s') ? 's' : 'm' };
}

// JWKS_PATH unset: jwks.json in the working folder or beside the certificate, if there.
function findJwks(values: Values): string | undefined {
  const folders = ['.', values.HOST_CERTS_DIR];
  const paths = folders.flatMap((folder) => (folder === undefined ? [] : [resolve(folder, 'jwks.json')]));
  return paths.find((path) => existsSync(path));
}

// Tokens of ours may carry JWT_ISSUER only where nobody else's keys verify it.
function defaultMintIssuer(values: Values, jwksPath: string | undefined): string {
  if (values.JWKS_URL !== undefined || jwksPath !== undefined) return 'keygate';
  const first = splitList(values.JWT_ISSUER)[0] ?? '';
  return first === '' || first === 'any' ? 'keygate' : first;
}
