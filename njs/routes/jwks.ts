// GET /.well-known/jwks.json: the public halves of the minting keys (RFC 7517 section 5).

import type { Jwk } from '../../auth/jwk.js';
import { sendRouteRefusal } from '../decision/refusal.js';
import { readStoredJwks } from '../keys/trusted_keys.js';

/** Answers with the keys that verify our own tokens. */
export function jwks(r: NginxHTTPRequest): void {
  if (r.method !== 'GET' && r.method !== 'HEAD') {
    sendRouteRefusal(r, { admitted: false, reason: 'method_not_allowed', allow: 'GET, HEAD' });
    return;
  }
  const keys = readStoredJwks('minting').keys || [];
  r.headersOut['Content-Type'] = 'application/json';
  r.headersOut['Cache-Control'] = 'public, max-age=300';
  r.return(200, JSON.stringify({ keys: keys.map(publicJwk) }));
}

// Named member by member: what is not named here can't get out.
function publicJwk(jwk: Jwk): object {
  const { kid, kty, alg, n, e, crv, x, y } = jwk;
  return { kty, use: 'sig', alg, kid, n, e, crv, x, y };
}
