// One question: what is read of a request, either from the headers that a guarded location asks with
// (nginx/snippets/ask.conf), or with js_access from the variables of the guarded request itself.

import type { CredentialHeaders } from '../../auth/credential.js';
import type { RequestFacts } from '../../auth/decide.js';
import { parseLocationSettings, type LocationSettings } from '../../auth/location_settings.js';

/** The variables that hold the parts of a question. */
export interface QuestionVariables {
  settings: string;
  target: string;
  client: string;
  requestId: string;
  preflight: string;
}

/** Of a request to the decision server. */
export const askedVariables: QuestionVariables = {
  settings: 'http_x_keygate_settings',
  target: 'http_x_keygate_target',
  client: 'http_x_keygate_client',
  requestId: 'http_x_keygate_request_id',
  preflight: 'http_x_keygate_preflight',
};

/** Of the guarded request. */
export const ownVariables: QuestionVariables = {
  settings: 'keygate_settings',
  target: 'keygate_target',
  client: 'remote_addr',
  requestId: 'keygate_request_id',
  preflight: 'keygate_preflight',
};

/** A question whose settings are good. */
export class Question implements RequestFacts {
  readonly headers: CredentialHeaders;
  readonly target: string;

  constructor(
    readonly r: NginxHTTPRequest,
    private readonly names: QuestionVariables,
    /** Parsed, and as nginx joined them. */
    readonly configured: { settings: LocationSettings; joined: string },
  ) {
    this.headers = credentialHeaders(r.variables);
    this.target = this.read('target');
  }

  get settings(): LocationSettings {
    return this.configured.settings;
  }

  /** The address that failures count against. */
  client(): string {
    return this.read('client');
  }

  /** The id that the client sees. */
  requestId(): string {
    return this.read('requestId');
  }

  isPreflight(): boolean {
    return /^\S+ \S+$/.test(this.read('preflight'));
  }

  private read(part: keyof QuestionVariables): string {
    return this.r.variables[this.names[part]] || '';
  }
}

/** Reads the credential headers of a request. */
export function credentialHeaders(variables: NginxVariables): CredentialHeaders {
  return {
    authorization: variables.http_authorization || '',
    xApiKey: variables.http_x_api_key || '',
    apiKey: variables.http_api_key || '',
  };
}

// Parsed once per context and location: settings are few.
const parsed: { [joined: string]: ReturnType<typeof parseLocationSettings> } = Object.create(null) as never;
const count = { parsed: 0 };
const maxParsed = 64;

/** Reads the settings of the location that asks, or why they can't be used. */
export function readSettings(
  variables: NginxVariables,
  names: QuestionVariables,
): { settings: LocationSettings; joined: string } | { fault: string } {
  const joined = variables[names.settings] || '';
  let settings = parsed[joined];
  if (settings === undefined) {
    settings = parseLocationSettings(joined, Boolean(variables.keygate_jwks_url));
    if (count.parsed < maxParsed) {
      parsed[joined] = settings;
      count.parsed++;
    }
  }
  return 'fault' in settings ? settings : { settings, joined };
}
