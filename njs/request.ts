// What is read of a request, as nginx shows it.

import type { CredentialHeaders } from '../auth/credential.js';

const names = ['authorization', 'x-api-key', 'api-key'];

/** The three headers that may carry a credential. */
export function credentialHeaders(r: NginxHTTPRequest): CredentialHeaders {
  return {
    authorization: readHeader(r, 'Authorization'),
    xApiKey: readHeader(r, 'x-api-key'),
    apiKey: readHeader(r, 'api-key'),
    isDoubled: () => isDoubled(r),
  };
}

/**
 * Reads a header of the request.
 * @returns its value, repeated ones joined by commas, or undefined
 */
export function readHeader(r: NginxHTTPRequest, name: string): string | undefined {
  try {
    return r.headersIn[name];
  } catch (_) {
    return ','; // the old engine can't join values that are not UTF-8
  }
}

// Only the raw list shows whether a comma came from the client or from nginx's joining.
function isDoubled(r: NginxHTTPRequest): boolean {
  const raw = r.rawHeadersIn as unknown as [string, string][];
  const found = raw.map((header) => header[0].toLowerCase()).filter((name) => names.indexOf(name) >= 0);
  return found.some((name, index) => found.indexOf(name) !== index);
}

/** Whether a request is a CORS preflight and the operator lets those through. */
export function isLetThroughPreflight(r: NginxHTTPRequest): boolean {
  const { variables, headersIn } = r;
  return (
    variables.request_method === 'OPTIONS' &&
    variables.keygate_cors_preflight === 'pass' &&
    headersIn['Origin'] !== undefined &&
    headersIn['Access-Control-Request-Method'] !== undefined
  );
}
