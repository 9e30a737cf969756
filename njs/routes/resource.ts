// GET /.well-known/oauth-protected-resource, with and without the resource's path: the metadata of a location that
// takes tokens (RFC 9728 section 3).

import { jsonMediaType } from '../../auth/answer.js';
import { parseList } from '../../auth/location_settings.js';
import type { JwtSettings } from '../../auth/token_rules.js';
import { formatMetadata, parseResource } from '../../auth/resource_metadata.js';
import { refuse } from '../../auth/verdict.js';
import { askedSource, parseSettings } from '../decision/question.js';
import { sendHeaders, sendRouteRefusal } from '../decision/refusal.js';
import { readEntries } from '../keys/stored_providers.js';

/** Answers with the metadata that the asking location has settings for. Any page may read them. */
export function resource(r: NginxHTTPRequest): void {
  const { variables } = r;
  const settings = parseSettings(askedSource.settings(variables) || '', variables);
  if ('fault' in settings) {
    r.error(`keygate: location_not_configured (request id ${askedSource.requestId(variables)}): ${settings.fault}`);
    return sendRouteRefusal(r, refuse('location_not_configured'));
  }
  const metadata = parseResource(settings.resource);
  const path = pathOf(askedSource.wholeTarget(variables) || '');
  if (metadata === undefined || metadata.paths.indexOf(path) < 0) return sendRouteRefusal(r, refuse('hidden_route'));
  sendHeaders(r, [['Access-Control-Allow-Origin', '*']]);
  if (r.method === 'OPTIONS') {
    sendHeaders(r, [
      ['Access-Control-Allow-Methods', 'GET'],
      ['Access-Control-Allow-Headers', 'mcp-protocol-version'],
    ]);
    return r.return(204);
  }
  if (r.method !== 'GET' && r.method !== 'HEAD') {
    return sendRouteRefusal(r, { admitted: false, reason: 'method_not_allowed', allow: 'GET, HEAD, OPTIONS' });
  }
  const { jwt, requiredScopes } = settings;
  const named = variables.http_x_keygate_oauth_servers || '';
  const servers = named === '' ? issuersOf(jwt) : parseList(named);
  sendHeaders(r, [
    ['Content-Type', jsonMediaType],
    ['Cache-Control', 'public, max-age=300'],
  ]);
  r.return(200, formatMetadata({ resource: settings.resource, servers, requiredScopes }));
}

// The issuers whose tokens the location takes (providerOf in auth/token_verdict.ts has the rule).
function issuersOf({ issuers, providers }: JwtSettings): string[] {
  const unnamed = issuers === 'any' || providers !== undefined ? [] : issuers;
  const entries = readEntries().filter(({ name }) => providers === undefined || providers.indexOf(name) >= 0);
  return entries.reduce((all, entry) => all.concat(entry.issuers), unnamed);
}

// The path that the client sent, without its query (checkTarget in auth/target.ts has the form).
function pathOf(target: string): string {
  const sent = target.slice(target.lastIndexOf(' ') + 1);
  const end = sent.indexOf('?');
  return end < 0 ? sent : sent.slice(0, end);
}
