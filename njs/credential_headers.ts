// The three headers that may carry a credential, as nginx shows them.

import type { CredentialHeaders } from '../auth/credential.js';

/** Reads the credential headers of a request. */
export function credentialHeaders(variables: NginxVariables): CredentialHeaders {
  return {
    authorization: variables.http_authorization || '',
    xApiKey: variables.http_x_api_key || '',
    apiKey: variables.http_api_key || '',
  };
}
