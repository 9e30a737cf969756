// GET /.well-known/jwks.json: the public halves of the minting keys (RFC 7517 section 5).

import { jsonMediaType } from '../../auth/answer.js';
import { publishedJwk } from '../../auth/algorithms.js';
import { sendRouteRefusal } from '../decision/refusal.js';
import { isDenied, readAllDenials, readMintingKeys } from '../keys/trusted_keys.js';

/** Answers with the keys that verify our own tokens. */
export function jwks(r: NginxHTTPRequest): void {
  if (r.method !== 'GET' && r.method !== 'HEAD') {
    sendRouteRefusal(r, { admitted: false, reason: 'method_not_allowed', allow: 'GET, HEAD' });
    return;
  }
  const denials = readAllDenials() || [];
  const keys = (readMintingKeys().keys || []).filter(({ kid }) => !isDenied(kid, denials));
  r.headersOut['Content-Type'] = jsonMediaType;
  r.headersOut['Cache-Control'] = 'public, max-age=300';
  r.return(200, JSON.stringify({ keys: keys.map(publishedJwk) }));
}
