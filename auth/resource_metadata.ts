// What an OAuth client learns of a location that takes tokens: the metadata of a protected resource, and where they are
// (RFC 9728). The identifier comes from a setting and never from the Host that a client names.

/** The longest identifier: a challenge names the metadata's URL, and a verdict has a small buffer. */
const maxResourceCharacters = 160;

const wellKnown = '/.well-known/oauth-protected-resource';

/** What OAUTH_RESOURCE must be, for messages. */
export const resourceForm = `an https URL of at most ${maxResourceCharacters} characters, without query or fragment`;

/** The metadata of one resource. */
export interface ResourceMetadata {
  /** The URL at which a client looks for the metadata (RFC 9728 section 3.1). */
  url: string;
  /** The paths at which the metadata are: that of the URL, and the one without the resource's path. */
  paths: string[];
}

/**
 * Reads the identifier of a protected resource.
 * @returns where its metadata are, or undefined where the text is no usable identifier
 */
export function parseResource(text: string): ResourceMetadata | undefined {
  const form = /^(https:\/\/(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?)((?:\/[A-Za-z0-9._~-]*)*)$/;
  const match = text.length > maxResourceCharacters ? null : form.exec(text);
  if (match === null || isChangedByClients(match[1] as string, match[2] as string)) return undefined;
  const path = match[2] === '/' ? '' : (match[2] as string);
  return { url: match[1] + wellKnown + path, paths: path === '' ? [wellKnown] : [wellKnown, wellKnown + path] };
}

// Clients and nginx resolve dot segments (RFC 3986 section 5.2.4), nginx joins slashes, and no port is larger.
function isChangedByClients(origin: string, path: string): boolean {
  const port = /:(\d+)$/.exec(origin);
  return /\/\/|\/\.\.?(?:\/|$)/.test(path) || (port !== null && Number(port[1]) > 65535);
}

/** What the metadata are made of: settings of the location, as they are written. */
export interface ResourceSettings {
  /** OAUTH_RESOURCE. */
  resource: string;
  /** See authorizationServers. */
  servers: string[] | 'any';
  requiredScopes: string[];
}

/** Makes the metadata (RFC 9728 section 2), as JSON. */
export function formatMetadata({ resource, servers, requiredScopes }: ResourceSettings): string {
  const named = authorizationServers(servers);
  return JSON.stringify({
    resource,
    authorization_servers: named.length > 0 ? named : undefined,
    scopes_supported: requiredScopes.length > 0 ? requiredScopes : undefined,
    bearer_methods_supported: ['header'],
  });
}

/**
 * The authorization servers that a resource names.
 * @param named OAUTH_SERVERS, or where that is unset the issuers whose tokens are taken, which need not be URLs
 */
export function authorizationServers(named: string[] | 'any'): string[] {
  return named === 'any' ? [] : named.filter((one) => /^https:\/\//.test(one));
}
