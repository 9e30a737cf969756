// Every setting of the gateway: its name, default and what a value must look like. docs/settings.md and
// .env.example list the same names; a test compares them.

import { isIP } from 'node:net';
import { headerNamesForm, parseHeaderNames } from '../auth/credential_headers.js';
import { maxBurst, parseRate, rateForm } from '../auth/rate_limit.js';
import { parseResource, resourceForm } from '../auth/resource_metadata.js';
import { debianSuites } from '../nginx/versions.js';
import { parseRedisUrl } from './redis_url.js';

export interface Setting {
  /** The default, as it would be written; undefined where there is none. */
  standard?: string;
  /** What a value must be, for messages: `expected ...`. */
  expected: string;
  isValid: (value: string) => boolean;
  /**
   * Where nginx has it as a variable, `$keygate_` and the name in lower case: in settings.conf alone (`http`), or there
   * and in any guarded location (`location`). Without it nginx learns nothing of the setting, or by nginx.conf itself.
   */
  nginx?: 'http' | 'location';
}

const matches = (pattern: RegExp) => (value: string) => pattern.test(value);
const oneOf = (...values: string[]) => ({
  expected: `one of ${values.join(', ')}`,
  isValid: (value: string) => values.includes(value),
});
const whole = (from: number, to: number) => ({
  expected: `a whole number from ${from} to ${to}`,
  isValid: (value: string) => /^\d{1,9}$/.test(value) && Number(value) >= from && Number(value) <= to,
});
const rate = {
  expected: 'a rate such as 10r/s or 5r/m, or off',
  isValid: matches(/^(?:off|[1-9]\d{0,5}r\/[sm])$/),
};

// What could end a directive or start a variable in nginx's configuration.
const unsafe = /[\s"'`;{}$\\\x00-\x1f\x7f]/;
const path = {
  expected: 'a path without white space or quotes',
  isValid: (value: string) => !unsafe.test(value),
};
const text = {
  expected: 'printable ASCII without white space, quotes or $',
  isValid: (value: string) => !unsafe.test(value) && /^[\x21-\x7e]*$/.test(value),
};
const key = {
  expected: 'printable ASCII without white space',
  isValid: matches(/^[\x21-\x7e]*$/),
};

const upstreamUrl = {
  expected: 'an absolute URL starting with http:// or https://, without user, query or fragment',
  isValid: (value: string) => isPlainUrl(value, ['http:', 'https:']) && new URL(value).search === '',
};
const httpsUrl = {
  expected: 'an absolute URL starting with https://, without user or fragment',
  isValid: (value: string) => isPlainUrl(value, ['https:']),
};

const redisUrl = {
  expected:
    'redis://HOST:PORT, rediss://HOST:PORT, unix:///PATH, redis-sentinel://HOST:PORT,HOST:PORT#NAME or rediss-sentinel',
  isValid: (value: string) => !unsafe.test(value) && parseRedisUrl(value) !== undefined,
};

function isPlainUrl(value: string, protocols: string[]): boolean {
  if (unsafe.test(value) || !URL.canParse(value)) return false;
  const { protocol, username, password, hash, hostname } = new URL(value);
  return protocols.includes(protocol) && username === '' && password === '' && hash === '' && hostname !== '';
}

function isNetwork(value: string): boolean {
  const [address = '', bits, ...more] = value.split('/');
  const most = isIP(address) === 4 ? 32 : 128;
  const isPrefix = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most);
  return isIP(address) !== 0 && !address.includes('%') && isPrefix && more.length === 0;
}

// As a browser writes it: without a path and without the port that a scheme has anyway. No wildcard: none would match.
function isOrigin(value: string): boolean {
  if (unsafe.test(value) || value.includes('*') || value.length > 256 || !URL.canParse(value)) return false;
  const { origin } = new URL(value);
  return origin === 'null' ? /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9.-]+$/.test(value) : origin === value;
}

/** Parses `address:port`, with brackets around an IPv6 address; undefined for anything else. */
export function parseListen(value: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  return isIP(host) !== 0 && port >= 1 && port <= 65535 ? { host, port } : undefined;
}

export const table = {
  LISTEN_ADDRESS: {
    standard: '127.0.0.1',
    expected: 'an IP address',
    isValid: (value: string) => isIP(value) !== 0,
  },
  LISTEN_PORT: { standard: '5000', ...whole(1, 65535) },
  UPSTREAM_URL: upstreamUrl,
  UPSTREAM_CA: path,
  HOST_CERTS_DIR: path,
  API_KEY: key,
  API_KEYS: { expected: 'keys separated by commas', isValid: matches(/^[\x21-\x7e ]*$/) },
  API_KEYS_FILE: { nginx: 'http', ...path },
  KEYS_MAX_STALE: { nginx: 'http', standard: '3600', ...whole(0, 31536000) },
  JWKS_PATH: { nginx: 'http', ...path },
  JWKS_URL: { nginx: 'http', ...httpsUrl },
  JWKS_TTL: { nginx: 'http', standard: '300', ...whole(10, 86400) },
  JWKS_CA: path,
  JWKS_MAX_STALE: { nginx: 'http', standard: '86400', ...whole(0, 31536000) },
  JWT_AUDIENCE: { nginx: 'location', ...text, expected: 'names separated by commas, or the word any' },
  JWT_ISSUER: { nginx: 'location', ...text, expected: 'issuers separated by commas, or the word any' },
  JWT_LEEWAY: { nginx: 'location', standard: '30', ...whole(0, 9999) },
  JWT_PROVIDERS: path,
  REQUIRE_SCOPE: {
    nginx: 'location',
    expected: 'scopes separated by spaces',
    isValid: matches(/^[\x21\x23\x25\x26\x28-\x3a\x3c-\x5b\x5d-\x7a|~ ]*$/),
  },
  CREDENTIAL_HEADERS: {
    nginx: 'location',
    expected: headerNamesForm,
    isValid: (value: string) => parseHeaderNames(value) !== undefined,
  },
  OAUTH_RESOURCE: {
    nginx: 'location',
    expected: resourceForm,
    isValid: (value: string) => parseResource(value) !== undefined,
  },
  OAUTH_SERVERS: {
    nginx: 'location',
    expected: 'https URLs separated by commas',
    isValid: (value: string) => value.split(',').every((one) => httpsUrl.isValid(one)),
  },
  CLIENT_CERTIFICATES: { nginx: 'location', standard: 'off', ...oneOf('on', 'off') },
  CLIENT_CA: path,
  FORWARD_CREDENTIAL: { nginx: 'location', standard: 'off', ...oneOf('on', 'off') },
  JWT_TTL: { standard: '3600', ...whole(1, 31536000) },
  JWT_ALG: { standard: 'RS256', ...oneOf('RS256', 'ES256', 'EdDSA') },
  MINT_ISSUER: { nginx: 'http', ...text },
  BCRYPT_THREADS: whole(1, 256),
  BCRYPT_QUEUE: { standard: '64', ...whole(0, 100000) },
  RATE_LIMIT_API: { standard: '10r/s', ...rate },
  RATE_LIMIT_API_BURST: { standard: '20', ...whole(0, 1000000) },
  RATE_LIMIT_AUTH: { nginx: 'http', standard: '5r/m', ...rate },
  RATE_LIMIT_AUTH_BURST: { nginx: 'http', standard: '10', ...whole(0, 1000000) },
  RATE_LIMIT_KEY: {
    nginx: 'location',
    standard: 'off',
    expected: `${rateForm}, or off`,
    isValid: (value: string) => value === 'off' || parseRate(value) !== undefined,
  },
  RATE_LIMIT_KEY_BURST: { nginx: 'location', standard: '0', ...whole(0, maxBurst) },
  TRUSTED_PROXIES: {
    expected: 'IP addresses or networks separated by commas',
    isValid: (value: string) => value.split(',').every((one) => isNetwork(one.trim())),
  },
  CORS_PREFLIGHT: { nginx: 'http', standard: 'deny', ...oneOf('deny', 'pass') },
  CORS_ORIGINS: {
    expected: 'origins of pages such as https://app.example, separated by commas',
    isValid: (value: string) => value.split(',').every((one) => isOrigin(one.trim())),
  },
  STATE_DIR: { standard: '.keygate', ...path },
  REDIS_URL: redisUrl,
  REDIS_USER: key,
  REDIS_PASSWORD: key,
  REDIS_CA: path,
  REDIS_CERT: path,
  REDIS_KEY: path,
  REDIS_PREFIX: {
    standard: 'keygate',
    expected: '1 to 64 letters, digits and . _ : -',
    isValid: matches(/^[\w.:-]{1,64}$/),
  },
  REDIS_DOWN: { nginx: 'http', standard: 'share', ...oneOf('share', 'closed') },
  CLUSTER_SECRET_FILE: path,
  NODE_NAME: {
    expected: '1 to 64 letters, digits and . _ -',
    isValid: matches(/^[\w.-]{1,64}$/),
  },
  NGINX_RUNTIME: { standard: 'auto', ...oneOf('auto', 'system', ...Object.keys(debianSuites)) },
  JS_ENGINE: { standard: 'auto', ...oneOf('auto', 'qjs', 'njs') },
  AUTH_ENTRY: { standard: 'auto', ...oneOf('auto', 'access', 'auth_request') },
  METRICS_PORT: {
    standard: '9145',
    expected: 'a port from 1 to 65535, or off',
    isValid: (value: string) => value === 'off' || whole(1, 65535).isValid(value),
  },
  GITHUB_TOKEN: key,
  VERIFIER_SOCKET: path,
  VERIFIER_LISTEN: {
    expected: 'an address and port such as 127.0.0.1:8081',
    isValid: (value: string) => parseListen(value) !== undefined,
  },
} satisfies { [name: string]: Setting };

/** The name of a setting, as an environment variable. */
export type SettingName = keyof typeof table;

/** Values by name: checked one by one, defaults filled in. */
export type Values = { [name in SettingName]?: string };

/** The nginx variable of a setting, without the dollar sign. */
export function nginxVariable(name: SettingName): string {
  return `keygate_${name.toLowerCase()}`;
}

/** Settings whose value may come from a file that NAME_FILE names. */
export const fromFiles: SettingName[] = ['API_KEY', 'GITHUB_TOKEN', 'REDIS_USER', 'REDIS_PASSWORD'];

/** Settings that only docker-compose.yml reads, or that name a file for it (docs/docker.md). */
export const containerSettings = [
  'PUBLISH_ADDRESS',
  'API_KEYS_DIR_HOST',
  'API_KEYS_FILE_HOST',
  'API_KEYS_FILE_CONTAINER',
  'API_KEY_FILE',
  'JWT_PROVIDERS_DIR_HOST',
  'VERIFIER_NETWORK',
  'GITHUB_TOKEN_FILE',
  'HOST_GID',
  'ACCOUNT_TYPE',
  'COPILOT_API_SOURCE',
  'COPILOT_API_REPO',
  'COPILOT_API_REF',
  'NGINX_IMAGE',
  'NODE_IMAGE',
  'PROMETHEUS_IMAGE',
  'PROMETHEUS_PORT',
  'GRAFANA_IMAGE',
  'GRAFANA_PORT',
];

/** What a pod sets for its containers (docs/kubernetes.md); Docker Compose sets none of them. */
export const podSettings = ['NAME_SERVER', 'NGINX_WORKERS', 'METRICS_HOSTS', 'RELOAD_ON_CHANGE'];
