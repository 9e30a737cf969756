// What is read of a request, as nginx shows it.

import type { CredentialHeaders } from '../../auth/credential.js';
import type { RequestFacts } from '../../auth/decide.js';
import type { LocationSettings } from '../../auth/location_settings.js';
import type { TargetFacts } from '../../auth/target.js';

/** One request as a decision looks at it. */
export class NginxRequest implements RequestFacts {
  readonly unusualTarget: TargetFacts | undefined;
  readonly settings: LocationSettings;
  /** The settings of the location, as nginx joins them. */
  readonly joined: string;

  constructor(
    readonly r: NginxHTTPRequest,
    readonly headers: CredentialHeaders,
    at: { target: TargetFacts | undefined; settings: LocationSettings; joined: string },
  ) {
    this.unusualTarget = at.target;
    this.settings = at.settings;
    this.joined = at.joined;
  }

  isPreflight(): boolean {
    return isPreflight(this.r);
  }

  isDoubled(): boolean {
    return isDoubled(this.r);
  }
}

const names = ['authorization', 'x-api-key', 'api-key'];

/**
 * Whether one of the headers that may carry a credential was sent more than once: only the raw list shows it. With
 * `underscores_in_headers on` nginx takes X_Api_Key for x-api-key, so it counts as such.
 */
export function isDoubled(r: NginxHTTPRequest): boolean {
  const raw = r.rawHeadersIn as unknown as [string, string][];
  const found = raw
    .map((header) => header[0].toLowerCase().replace(/_/g, '-'))
    .filter((name) => names.indexOf(name) >= 0);
  return found.some((name, index) => found.indexOf(name) !== index);
}

/** What an unusual target is judged by. */
export function readTarget(r: NginxHTTPRequest): TargetFacts {
  const { http_host, host, uri, request_uri } = r.variables;
  return { hosts: `${http_host || ''}${host || ''}`, path: String(uri), rawTarget: String(request_uri) };
}

/** Whether a request is a CORS preflight and the operator lets those through. */
export function isPreflight(r: NginxHTTPRequest): boolean {
  const { variables, headersIn } = r;
  return (
    variables.request_method === 'OPTIONS' &&
    variables.keygate_cors_preflight === 'pass' &&
    headersIn['Origin'] !== undefined &&
    headersIn['Access-Control-Request-Method'] !== undefined
  );
}
