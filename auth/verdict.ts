// What a decision is: a value, never an exception. Only njs/ turns it into nginx calls.

import type { Reason } from './refusals.js';

/** Who an admitted request acts as. */
export interface Principal {
  /** How the credential was checked: the value of `X-Auth-Method`; empty for a preflight let through. */
  method: 'api_key' | 'jwt' | '';
  /** The subject, encoded for a header (subject.ts). */
  subject: string;
  /** The token's `iss`, encoded likewise; empty for an API key. */
  issuer: string;
  /** Exactly the scopes written on the credential. */
  scopes: string[];
  /** The moment from which the credential no longer holds, in Unix seconds, leeway included; undefined for never. */
  expiresSeconds: number | undefined;
  /** What admitted it: the kid of the verifying JWK, or the fingerprint of the key's entry. */
  keyId: string;
}

export interface Admitted {
  admitted: true;
  principal: Principal;
}

export interface Refused {
  admitted: false;
  reason: Reason;
}

/** The outcome of a decision. */
export type Verdict = Admitted | Refused;

/** Admits a principal. */
export function admit(principal: Principal): Admitted {
  return { admitted: true, principal };
}

/** Refuses for one reason of the table in refusals.ts. */
export function refuse(reason: Reason): Refused {
  return { admitted: false, reason };
}
