// Settings that are good one by one and not together.

import { authorizationServers } from '../auth/resource_metadata.js';
import { makeLimit, parseRate } from '../auth/rate_limit.js';
import { findClusterConflicts } from './cluster.js';
import type { Values } from './table.js';

const meetsLoopback = /^(?:127\.0\.0\.1|0\.0\.0\.0|::)$/;

/** @returns a line for each conflict */
export function findConflicts(values: Values): string[] {
  const faults: string[] = [];
  const { LISTEN_ADDRESS = '', LISTEN_PORT, METRICS_PORT } = values;
  if (METRICS_PORT !== undefined && METRICS_PORT === LISTEN_PORT && meetsLoopback.test(LISTEN_ADDRESS)) {
    faults.push('METRICS_PORT: expected another port than LISTEN_PORT, or off');
  }
  if (values.CORS_ORIGINS !== undefined && values.CORS_PREFLIGHT !== 'pass') {
    faults.push('CORS_ORIGINS: expected CORS_PREFLIGHT=pass beside it: a page asks by a preflight first');
  }
  faults.push(...findClusterConflicts(values));
  const { RATE_LIMIT_KEY = 'off', RATE_LIMIT_KEY_BURST } = values;
  const intervalMs = parseRate(RATE_LIMIT_KEY);
  if (intervalMs !== undefined && makeLimit(intervalMs, Number(RATE_LIMIT_KEY_BURST)) === undefined) {
    faults.push('RATE_LIMIT_KEY_BURST: expected no more than RATE_LIMIT_KEY gives in a year');
  }
  if (values.CLIENT_CA !== undefined && values.CLIENT_CERTIFICATES !== 'on') {
    faults.push('CLIENT_CA: expected to be unset, as CLIENT_CERTIFICATES is off');
  }
  faults.push(...findTokenConflicts(values));
  return faults;
}

function findTokenConflicts(values: Values): string[] {
  const faults: string[] = [];
  const { JWKS_URL, JWKS_PATH, JWT_ISSUER, JWT_AUDIENCE, JWT_PROVIDERS, MINT_ISSUER } = values;
  if (JWKS_URL !== undefined && JWT_ISSUER === undefined) {
    faults.push('JWT_ISSUER: expected the issuers to accept, or the word any, as JWKS_URL is set');
  }
  if (JWKS_URL !== undefined && JWT_PROVIDERS !== undefined && splitList(JWT_ISSUER).join() === 'any') {
    faults.push('JWT_ISSUER: expected the issuers by name, as JWT_PROVIDERS is set beside JWKS_URL');
  }
  if (JWKS_URL !== undefined && JWT_AUDIENCE === undefined) {
    faults.push('JWT_AUDIENCE: expected the audiences to accept, or the word any, as JWKS_URL is set');
  }
  const { OAUTH_RESOURCE, OAUTH_SERVERS = JWT_ISSUER } = values;
  const mayHaveServers = JWT_PROVIDERS !== undefined || authorizationServers(splitList(OAUTH_SERVERS)).length > 0;
  if (OAUTH_RESOURCE !== undefined && !mayHaveServers) {
    faults.push(
      'OAUTH_SERVERS: expected who gives tokens, as OAUTH_RESOURCE is set, JWT_ISSUER has no https URL and ' +
        'JWT_PROVIDERS is not set',
    );
  }
  const hasJwks = JWKS_URL !== undefined || JWKS_PATH !== undefined;
  const mintIssuer = MINT_ISSUER ?? 'keygate';
  if (hasJwks && splitList(JWT_ISSUER).includes(mintIssuer)) {
    faults.push(`MINT_ISSUER: expected another issuer than those of JWT_ISSUER, whose tokens other keys verify`);
  }
  return faults;
}

/** The parts of a comma-separated list, without empty ones. */
export function splitList(text: string | undefined): string[] {
  const parts = (text ?? '').split(',').map((one) => one.trim());
  return parts.filter((one) => one !== '');
}
