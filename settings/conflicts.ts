// Settings that are good one by one and not together.

import { makeLimit, parseRate } from '../auth/rate_limit.js';
import { findClusterConflicts } from './cluster.js';
import type { Values } from './table.js';

const meetsLoopback = /^(?:127\.0\.0\.1|0\.0\.0\.0|::)$/;

/** @returns a line for each conflict */
export function findConflicts(values: Values): string[] {
  const faults: string[] = [];
  const { JWKS_URL, JWKS_PATH, JWT_ISSUER, JWT_AUDIENCE, MINT_ISSUER } = values;
  const { LISTEN_ADDRESS = '', LISTEN_PORT, METRICS_PORT } = values;
  if (METRICS_PORT !== undefined && METRICS_PORT === LISTEN_PORT && meetsLoopback.test(LISTEN_ADDRESS)) {
    faults.push('METRICS_PORT: expected another port than LISTEN_PORT, or off');
  }
  faults.push(...findClusterConflicts(values));
  const { RATE_LIMIT_KEY = 'off', RATE_LIMIT_KEY_BURST } = values;
  const intervalMs = parseRate(RATE_LIMIT_KEY);
  if (intervalMs !== undefined && makeLimit(intervalMs, Number(RATE_LIMIT_KEY_BURST)) === undefined) {
    faults.push('RATE_LIMIT_KEY_BURST: expected no more than RATE_LIMIT_KEY gives in a year');
  }
  if (JWKS_URL !== undefined && JWT_ISSUER === undefined) {
    faults.push('JWT_ISSUER: expected the issuers to accept, or the word any, as JWKS_URL is set');
  }
  if (JWKS_URL !== undefined && JWT_AUDIENCE === undefined) {
    faults.push('JWT_AUDIENCE: expected the audiences to accept, or the word any, as JWKS_URL is set');
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
