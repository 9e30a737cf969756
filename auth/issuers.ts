// Whose tokens count: lists of issuers and audiences, and the issuer of our own tokens (RFC 7519 section 4.1.1).

/** Splits a comma-separated list; `any`, and an unset list where that is allowed, mean any value. */
export function parseList(text: string): string[] | 'any' {
  if (text === '') return 'any';
  const values = text.split(',').map((value) => value.replace(/^ +| +$/g, ''));
  const named = values.filter((value) => value !== '');
  return named.length === 1 && named[0] === 'any' ? 'any' : named;
}

/** What the issuer of our own tokens follows from; undefined or empty where a setting is unset. */
export interface MintIssuerSettings {
  mintIssuer: string | undefined;
  /** Whether JWKS_PATH or JWKS_URL is set. */
  hasJwks: boolean;
  jwtIssuer: string | undefined;
}

/**
 * Chooses the `iss` of the tokens that POST /token mints: MINT_ISSUER, else the first JWT_ISSUER where nobody else's
 * keys verify it, else `keygate`.
 */
export function chooseMintIssuer({ mintIssuer, hasJwks, jwtIssuer }: MintIssuerSettings): string {
  if (mintIssuer) return mintIssuer;
  const issuers = hasJwks ? 'any' : parseList(jwtIssuer || '');
  return issuers === 'any' ? 'keygate' : issuers[0] || 'keygate';
}
