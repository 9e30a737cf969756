// What an issuer's tokens look like, and the provider that takes them.

import type { JWK } from 'jose';

/** The moment of the tests, in Unix seconds. */
export const now = 1_800_000_000;

/** A certificate beside a key: nobody reads it here. */
export const x5c = ['MIIC8TCCAdmgAwIBAgIQ'];

export interface Shape {
  /** The provider in the file; `name` and `jwks` are added. */
  provider: { issuer: string | string[]; [member: string]: unknown };
  alg?: string;
  header: { kid: string; [member: string]: unknown };
  /** Members that the issuer puts beside the key's own; a function for a set of several keys. */
  keys: object | ((jwk: JWK) => object[]);
  claims: { iss: string; [claim: string]: unknown };
  admitted: { subject: string; scopes: string[] };
  /** Other tokens of the issuer, and what they are admitted as. */
  others?: { [what: string]: { claims: object; alg?: string; as: object } };
  wrong: { [what: string]: { claims?: object; header?: object; alg?: string; reason: string } };
}
