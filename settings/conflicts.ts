// Settings that are each well-formed but contradict one another, or together would leave a check out unsaid.

import type { Values } from './table.js';

/** @returns a line for each conflict */
export function findConflicts(values: Values): string[] {
  const faults: string[] = [];
  const { JWKS_URL, JWKS_PATH, JWT_ISSUER, JWT_AUDIENCE, MINT_ISSUER } = values;
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
