// Whether the environment gives valid settings: all faults are found before anything starts, and reported together.

import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { parseHeaderNames } from '../auth/credential_headers.js';
import { chooseMintIssuer, parseList } from '../auth/location_settings.js';
import { parseEnvironmentKeys } from '../auth/key_file.js';
import { Fault } from '../node/fault.js';
import type { SidecarPlace } from '../node/ask_sidecar.js';
import { nodePlatform } from '../node/crypto.js';
import type { DebianRelease, Engine } from '../nginx/versions.js';
import { readCluster, type ClusterSettings } from './cluster.js';
import { findConflicts, splitList } from './conflicts.js';
import { fromFiles, nginxVariable, parseListen, table, type Setting, type SettingName, type Values } from './table.js';

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
  /** A JWKS_PATH that does not count, since JWT_PROVIDERS is set and no JWT_ISSUER names the issuers of its keys. */
  ignoredJwksPath: string | undefined;
  jwksUrl: string | undefined;
  jwksTtlSeconds: number;
  jwksCa: string | undefined;
  jwksMaxStaleSeconds: number;
  jwtAudience: string | undefined;
  jwtIssuer: string | undefined;
  jwtLeewaySeconds: number;
  /** The file that describes identity providers. */
  jwtProviders: string | undefined;
  requireScope: string | undefined;
  /** In lower case. */
  credentialHeaders: string[];
  oauthResource: string | undefined;
  clientCertificates: boolean;
  clientCa: string | undefined;
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
  corsOrigins: string[];
  stateDir: string;
  nginxRuntime: 'auto' | 'system' | DebianRelease;
  jsEngine: 'auto' | Engine;
  authEntry: 'auto' | 'access' | 'auth_request';
  metricsPort: number | 'off';
  /** Whether METRICS_PORT was set; the default port may be taken by another program. */
  isMetricsPortNamed: boolean;
  githubToken: string | undefined;
  /** What several nodes share, and how to reach it; undefined without REDIS_URL. */
  cluster: ClusterSettings | undefined;
  /** Where the sidecar listens: VERIFIER_LISTEN or VERIFIER_SOCKET. */
  sidecar: SidecarPlace;
  /** What nginx gets, by the names of its variables. */
  nginxVariables: { [name: string]: string };
}

/** What is wrong with the settings: a line each, `NAME: expected ...`. */
export class SettingsError extends Fault {
  constructor(readonly faults: string[]) {
    super(faults.join('\n'));
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
  return toSettings(values, { isMetricsPortNamed: (env['METRICS_PORT'] ?? '').trim() !== '' });
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

function toSettings(given: Values, named: Pick<Settings, 'isMetricsPortNamed'>): Settings {
  const values = given as Filled; // settings with a default are there; `given` has the others
  const stateDir = resolve(values.STATE_DIR);
  const foundJwksPath = toPath(given.JWKS_PATH) ?? findJwks(given);
  const isIgnored = given.JWT_PROVIDERS !== undefined && parseList(given.JWT_ISSUER ?? '') === 'any';
  const jwksPath = isIgnored ? undefined : foundJwksPath;
  const apiKeysFile = toPath(given.API_KEYS_FILE) ?? join(stateDir, 'keys', 'api_keys.txt');
  const mintIssuer = chooseMintIssuer({
    mintIssuer: given.MINT_ISSUER,
    hasJwks: jwksPath !== undefined || given.JWKS_URL !== undefined,
    jwtIssuer: given.JWT_ISSUER,
  });
  return {
    ...named,
    ...startSettings(given, values),
    ...limitSettings(given, values),
    cluster: readCluster(given),
    stateDir,
    apiKey: given.API_KEY,
    apiKeys: given.API_KEYS,
    apiKeysFile,
    isApiKeysFileNamed: given.API_KEYS_FILE !== undefined,
    keysMaxStaleSeconds: Number(values.KEYS_MAX_STALE),
    jwksPath,
    ignoredJwksPath: isIgnored ? foundJwksPath : undefined,
    ...jwtSettings(given, values),
    mintIssuer,
    bcryptThreads: Number(given.BCRYPT_THREADS ?? Math.max(1, Math.floor(availableParallelism() / 2))),
    bcryptQueue: Number(values.BCRYPT_QUEUE),
    sidecar: parseListen(given.VERIFIER_LISTEN ?? '') ?? {
      path: toPath(given.VERIFIER_SOCKET) ?? join(stateDir, 'run', 'verifier.sock'),
    },
    nginxVariables: nginxVariables({
      ...given,
      API_KEYS_FILE: apiKeysFile,
      JWKS_PATH: jwksPath ?? '',
      MINT_ISSUER: mintIssuer,
    }),
  };
}

function startSettings(given: Values, values: Filled) {
  return {
    listenAddress: values.LISTEN_ADDRESS,
    listenPort: Number(values.LISTEN_PORT),
    upstreamUrl: given.UPSTREAM_URL,
    upstreamCa: toPath(given.UPSTREAM_CA),
    hostCertsDir: toPath(given.HOST_CERTS_DIR),
    corsOrigins: [...new Set(splitList(given.CORS_ORIGINS))], // nginx's map has no key twice
    corsPreflight: values.CORS_PREFLIGHT as Settings['corsPreflight'],
    nginxRuntime: values.NGINX_RUNTIME as Settings['nginxRuntime'],
    jsEngine: values.JS_ENGINE as Settings['jsEngine'],
    authEntry: values.AUTH_ENTRY as Settings['authEntry'],
    metricsPort: values.METRICS_PORT === 'off' ? ('off' as const) : Number(values.METRICS_PORT),
    githubToken: given.GITHUB_TOKEN,
  };
}

function jwtSettings(given: Values, values: Filled) {
  return {
    jwksUrl: given.JWKS_URL,
    jwksTtlSeconds: Number(values.JWKS_TTL),
    jwksCa: toPath(given.JWKS_CA),
    jwksMaxStaleSeconds: Number(values.JWKS_MAX_STALE),
    jwtAudience: given.JWT_AUDIENCE,
    jwtIssuer: given.JWT_ISSUER,
    jwtLeewaySeconds: Number(values.JWT_LEEWAY),
    jwtProviders: toPath(given.JWT_PROVIDERS),
    requireScope: given.REQUIRE_SCOPE,
    credentialHeaders: parseHeaderNames(given.CREDENTIAL_HEADERS ?? '') ?? [],
    oauthResource: given.OAUTH_RESOURCE,
    clientCertificates: values.CLIENT_CERTIFICATES === 'on',
    clientCa: toPath(given.CLIENT_CA),
    forwardCredential: values.FORWARD_CREDENTIAL === 'on',
    jwtTtlSeconds: Number(values.JWT_TTL),
    jwtAlg: values.JWT_ALG as Settings['jwtAlg'],
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

function nginxVariables(values: Values): { [name: string]: string } {
  const rows = Object.entries(table) as [SettingName, Setting][];
  const ofNginx = rows.filter(([, row]) => row.nginx !== undefined);
  return Object.fromEntries(ofNginx.map(([name]) => [nginxVariable(name), values[name] ?? '']));
}
