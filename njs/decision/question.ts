// One question: what is read of a request, either from the headers that a guarded location asks with
// (nginx/snippets/ask.conf), or with js_access from the variables of the guarded request itself.

import type { PresentedCertificate } from '../../auth/certificate_verdict.js';
import { readCertificate } from '../../auth/client_certificate.js';
import type { CredentialHeaders } from '../../auth/credential.js';
import type { RequestFacts } from '../../auth/decide.js';
import {
  headerVariable,
  keepSubprotocols,
  parseReadHeaders,
  subprotocolHeader,
} from '../../auth/credential_headers.js';
import {
  furtherHeaders,
  parseLocationSettings,
  takesCertificates,
  type LocationSettings,
} from '../../auth/location_settings.js';
import { isUsualTarget, usualTarget } from '../../auth/target.js';
import { parsingPlatform } from '../platform.js';

/** What a verdict depends on beside the keys and the time (and a preflight's own headers). */
export interface Asked extends CredentialHeaders {
  /** The settings of the location, as nginx joins them. */
  settings: string;
  /** See checkTarget; `usual` for a target that needs no further check. */
  target: string;
  /** What nginx tells of the client's certificate (readCertificate); empty where the location takes none. */
  certificate: string;
}

/** Where the parts of a question are. Each function reads one variable: nginx copies a value each time. */
export interface QuestionSource {
  settings: (variables: NginxVariables) => string | undefined;
  /** See checkTarget. */
  target: (variables: NginxVariables) => string | undefined;
  certificate: (variables: NginxVariables) => string | undefined;
  /** The address that failures count against. */
  client: (variables: NginxVariables) => string | undefined;
  /** The id that the client sees. */
  requestId: (variables: NginxVariables) => string | undefined;
  preflight: (variables: NginxVariables) => string | undefined;
  /** The limit's state where this request was charged already; see outcome.ts. */
  charged: (variables: NginxVariables) => string | undefined;
  /** See checkTarget; also where `target` says `usual`. */
  wholeTarget: (variables: NginxVariables) => string | undefined;
}

/** A request to the decision server. */
export const askedSource: QuestionSource = {
  settings: (variables) => variables.http_x_keygate_settings,
  target: (variables) => variables.keygate_unusual_target,
  certificate: (variables) => variables.http_x_keygate_certificate,
  client: (variables) => variables.http_x_keygate_client,
  requestId: (variables) => variables.keygate_accepted_request_id || variables.http_x_keygate_request_id,
  preflight: (variables) => variables.http_x_keygate_preflight,
  charged: (variables) => variables.http_x_keygate_charged,
  wholeTarget: (variables) => variables.http_x_keygate_target,
};

/** The guarded request itself. No pattern of nginx may run in it, or it would overwrite the operator's captures. */
export const ownSource: QuestionSource = {
  settings: (variables) => variables.keygate_settings,
  target: (variables) => {
    const target = variables.keygate_target || '';
    return isUsualTarget(target) ? usualTarget : target;
  },
  certificate: (variables) => variables.keygate_certificate,
  client: (variables) => variables.remote_addr,
  requestId: (variables) => variables.keygate_request_id,
  preflight: (variables) => variables.keygate_preflight,
  charged: (variables) => variables.keygate_charged,
  wholeTarget: (variables) => variables.keygate_target,
};

const current: Asked = {
  settings: '',
  target: '',
  certificate: '',
  authorization: '',
  xApiKey: '',
  apiKey: '',
  further: '',
};

/**
 * Reads a question.
 * @returns an object that the next call fills anew: engines take longer to make an object than to fill it
 */
export function readAsked(variables: NginxVariables, source: QuestionSource): Asked {
  current.settings = source.settings(variables) || '';
  current.target = source.target(variables) || '';
  current.certificate = takesCertificates(current.settings) ? source.certificate(variables) || '' : '';
  current.authorization = variables.http_authorization || '';
  current.xApiKey = variables.http_x_api_key || '';
  current.apiKey = variables.http_api_key || '';
  const names = furtherHeaders(current.settings);
  current.further = names === '' ? '' : readFurther(variables, listNames(names));
  return current;
}

function readFurther(variables: NginxVariables, names: string[]): string {
  const values: string[] = [];
  let isAny = false;
  for (let i = 0; i < names.length; i++) {
    const value = variables[headerVariable(names[i] as string) as 'http_authorization'] || '';
    if (value !== '') isAny = true;
    values.push(value);
  }
  return isAny ? values.join('\n') : '';
}

const listed: { text: string; names: string[] } = { text: '', names: [] };

// A text that is no list is a fault of the settings (parseSettings): nothing of such a location is read.
function listNames(text: string): string[] {
  if (listed.text !== text) {
    listed.text = text;
    listed.names = parseReadHeaders(text) || [];
  }
  return listed.names;
}

/** What the upstream gets for the client's subprotocols (keepSubprotocols); empty for what the client sent. */
export function subprotocolsFor({ further, settings }: Asked): string {
  if (further === '') return '';
  const i = listNames(furtherHeaders(settings)).indexOf(subprotocolHeader);
  return i < 0 ? '' : keepSubprotocols(further.split('\n')[i] || '');
}

/** A question whose settings are valid. */
export class Question implements RequestFacts {
  readonly asked: Asked;
  private readCertificate: PresentedCertificate | undefined;

  constructor(
    readonly r: NginxHTTPRequest,
    asked: Asked,
    private readonly given: { source: QuestionSource; settings: LocationSettings },
  ) {
    const { settings, target, certificate, authorization, xApiKey, apiKey, further } = asked;
    // a copy: `asked` is filled anew
    this.asked = { settings, target, certificate, authorization, xApiKey, apiKey, further };
  }

  get headers(): CredentialHeaders {
    return this.asked;
  }

  get target(): string {
    return this.asked.target;
  }

  get settings(): LocationSettings {
    return this.given.settings;
  }

  get source(): QuestionSource {
    return this.given.source;
  }

  client(): string {
    return this.given.source.client(this.r.variables) || '';
  }

  requestId(): string {
    return this.given.source.requestId(this.r.variables) || '';
  }

  certificate(): PresentedCertificate | undefined {
    const { certificate } = this.asked;
    if (certificate === '' || !this.settings.takesCertificates) return undefined;
    if (this.readCertificate === undefined)
      this.readCertificate = readCertificate(certificate, Date.now() / 1000, parsingPlatform());
    return this.readCertificate;
  }

  isPreflight(): boolean {
    return isPreflight(this.given.source, this.r.variables);
  }
}

/** Whether a request is a CORS preflight that CORS_PREFLIGHT lets through: it has an Origin, and asks for a method. */
export function isPreflight(source: QuestionSource, variables: NginxVariables): boolean {
  return /^\S+ \S+$/.test(source.preflight(variables) || '');
}

type Parsed = ReturnType<typeof parseLocationSettings>;

// Parsed once per context and location: settings are few.
const parsed: { [joined: string]: Parsed } = Object.create(null) as never;
const count = { parsed: 0 };
const maxParsed = 64;

/** Parses the settings of the location that asks, or says why they can't be used. */
export function parseSettings(joined: string, variables: NginxVariables): Parsed {
  const known = parsed[joined];
  if (known !== undefined) return known;
  const hasJwksUrl = Boolean(variables.keygate_jwks_url);
  const settings = parseLocationSettings(joined, { hasJwksUrl, sentHeaders: variables.keygate_sent_headers || '' });
  if (count.parsed < maxParsed) {
    parsed[joined] = settings;
    count.parsed++;
  }
  return settings;
}
