// Environment to settings: every fault is found before anything starts, and all are told at once.

import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { findConflicts } from './conflicts.js';
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
  faults.push(...findConflicts(values));
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

function toSettings(values: Values): Settings {
  const text = (name: SettingName) => values[name];
  const number = (name: SettingName) => Number(values[name]);
  const file = (name: SettingName) =>
    values[name] === undefined ? undefined : resolve(values[name] as string);
  const stateDir = resolve(values.STATE_DIR as string);
  const jwksPath = file('JWKS_PATH') ?? findJwks(values);
  return {
    listenAddress: values.LISTEN_ADDRESS as string,
    listenPort: number('LISTEN_PORT'),
    upstreamUrl: text('UPSTREAM_URL'),
    upstreamCa: file('UPSTREAM_CA'),
    hostCertsDir: file('HOST_CERTS_DIR'),
    apiKey: text('API_KEY'),
    apiKeys: text('API_KEYS'),
    apiKeysFile: file('API_KEYS_FILE') ?? join(stateDir, 'keys', 'api_keys.txt'),
    isApiKeysFileNamed: values.API_KEYS_FILE !== undefined,
    keysMaxStaleSeconds: number('KEYS_MAX_STALE'),
    jwksPath,
    jwksUrl: text('JWKS_URL'),
    jwksTtlSeconds: number('JWKS_TTL'),
    jwksCa: file('JWKS_CA'),
    jwksMaxStaleSeconds: number('JWKS_MAX_STALE'),
    jwtAudience: text('JWT_AUDIENCE'),
    jwtIssuer: text('JWT_ISSUER'),
    jwtLeewaySeconds: number('JWT_LEEWAY'),
    requireScope: text('REQUIRE_SCOPE'),
    forwardCredential: values.FORWARD_CREDENTIAL === 'on',
    jwtTtlSeconds: number('JWT_TTL'),
    jwtAlg: values.JWT_ALG as Settings['jwtAlg'],
    mintIssuer: values.MINT_ISSUER ?? defaultMintIssuer(values, jwksPath),
    bcryptThreads: Number(values.BCRYPT_THREADS ?? Math.max(1, Math.floor(availableParallelism() / 2))),
    bcryptQueue: number('BCRYPT_QUEUE'),
    rateLimitApi: toRate(values.RATE_LIMIT_API as string),
    rateLimitApiBurst: number('RATE_LIMIT_API_BURST'),
    rateLimitAuth: toRate(values.RATE_LIMIT_AUTH as string),
    rateLimitAuthBurst: number('RATE_LIMIT_AUTH_BURST'),
    trustedProxies: (values.TRUSTED_PROXIES ?? '').split(',').map((one) => one.trim()).filter((one) => one !== ''), // prettier-ignore
    corsPreflight: values.CORS_PREFLIGHT as Settings['corsPreflight'],
    stateDir,
    nginxRuntime: values.NGINX_RUNTIME as Settings['nginxRuntime'],
    jsEngine: values.JS_ENGINE as Settings['jsEngine'],
    authEntry: values.AUTH_ENTRY as Settings['authEntry'],
    metricsPort: number('METRICS_PORT'),
    githubToken: text('GITHUB_TOKEN'),
    verifierSocket: file('VERIFIER_SOCKET') ?? join(stateDir, 'run', 'verifier.sock'),
    verifierListen: text('VERIFIER_LISTEN'),
  };
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
  const first = (values.JWT_ISSUER ?? '').split(',')[0]?.trim() ?? '';
  return first === '' || first === 'any' ? 'keygate' : first;
}
