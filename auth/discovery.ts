// Where an issuer's metadata are, and what they must say to be its own: OpenID Connect Discovery sections 4.1 and 4.3,
// RFC 8414 sections 3.1 and 3.3.

import { ownMember, parseJsonObject } from './json.js';
import { isHttpsUrl, type ProviderEntry } from './provider_members.js';

/**
 * @param issuer a URL starting with https://, without query
 * @returns the URLs of the issuer's metadata, of OpenID Connect and of OAuth, in the order in which they are tried
 */
export function metadataUrls(issuer: string): string[] {
  const base = issuer.replace(/\/$/, '');
  const [, origin = '', path = ''] = /^(https:\/\/[^/]*)(.*)$/.exec(base) || [];
  return [`${base}/.well-known/openid-configuration`, `${origin}/.well-known/oauth-authorization-server${path}`];
}

/**
 * Whether metadata are not there, so that those of the other form are asked for. A server that fails, or answers
 * something else, may have them still.
 * @param fault `expected status 200, got 404`
 */
export function areMissing(fault: string): boolean {
  return /got 4\d\d$/.test(fault);
}

/**
 * Reads an issuer's metadata.
 * @returns the URL of its keys, or why the metadata can't count, in words fit for a log
 */
export function readMetadata(text: string, issuer: string): { jwksUrl: string } | { fault: string } {
  const parsed = parseJsonObject(text);
  if ('fault' in parsed) return { fault: `metadata: ${parsed.fault}` };
  if (ownMember(parsed.object, 'issuer') !== issuer) return { fault: `metadata: expected the issuer ${issuer}` };
  const url = ownMember(parsed.object, 'jwks_uri');
  return typeof url === 'string' && isHttpsUrl(url)
    ? { jwksUrl: url }
    : { fault: 'metadata: expected a jwks_uri that starts with https://, without user or fragment' };
}

/**
 * Whether a provider's credential may be sent to a URL: to the server that the operator has named; to another that its
 * metadata name only where the operator's own certificate authorities vouch for both. A Kubernetes API server names
 * itself by its address.
 */
export function mayShowCredential({ jwks, issuers, ca }: ProviderEntry, url: string): boolean {
  return jwks !== 'discover' || ca !== undefined || originOf(url) === originOf(issuers[0] as string);
}

// Of what isHttpsUrl takes. A port or an address that there is none of is no reason to throw.
function originOf(url: string): string {
  const [origin = ''] = /^https:\/\/[^/]*/.exec(url) || [];
  return origin.toLowerCase().replace(/:443$/, '');
}
