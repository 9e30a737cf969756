// The snippets as they are put into a folder: the shipped snippets, with the values of one installation filled in. Only
// the package is read, and nothing is written.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { formatRefusal } from '../auth/answer.js';
import { auditedOfRequest, plainIdPattern, plainPathPattern, traceparentPatterns } from '../auth/audit.js';
import { claimHeader } from '../auth/carried_claims.js';
import { exposedHeaders } from '../auth/cors.js';
import { subprotocolHeader, usualHeaders } from '../auth/credential_headers.js';
import {
  carriedForAudit,
  carriedValues,
  identityHeaders,
  type CarriedValue,
  type IdentityHeader,
} from '../auth/identity_headers.js';
import { isReason } from '../auth/refusals.js';
import { askedSettings } from '../auth/location_settings.js';
import { requestIdPattern } from '../auth/request_id.js';
import { sidecarMediaType } from '../auth/key_record.js';
import { usualTargetPattern } from '../auth/target.js';
import { directivesSince, isAtLeast, type Engine } from './versions.js';

/** What the snippets of one installation depend on. */
export interface SnippetFacts {
  /** The package's folder `nginx/`. */
  sourceDir: string;
  engine: Engine;
  /** The nginx that the files are for, such as 1.30.6: newer ones get directives that older ones lack. */
  nginxVersion: string;
  /** Whether nginx has ngx_http_ssl_module, and with it variables of a client's certificate; by default it has. */
  hasTls?: boolean;
  /** Where the decision server listens: `address:port`, or `unix:/path`. */
  decisionAddress: string;
  /** What shows the decision server that nginx asks: letters and digits. */
  decisionSecret: string;
  /** The variables of the claims that the upstream gets, without the dollar sign; none where the member is missing. */
  claims?: string[] | undefined;
  /**
   * Further headers in which a credential may stand, in lower case: nginx sends them with a question, and keeps them
   * from the upstream. Which of them a location reads is a setting ($keygate_credential_headers). None by default.
   */
  credentialHeaders?: string[];
  /** The headers of identity providers, in lower case: every location reads them. None by default. */
  providerHeaders?: string[];
}

/** The bundles that the snippets import, by the names of their files without `.js`; dist/ has them for each engine. */
export const bundles = ['keygate', 'keygate_counter', 'keygate_metrics'];

/** Files by name. */
export type SnippetFiles = { [name: string]: string };

/** Fills the snippets in. */
export function snippetFiles(facts: SnippetFacts): SnippetFiles {
  const { decisionAddress, decisionSecret, engine, credentialHeaders = [] } = facts;
  const files: SnippetFiles = {};
  const folder = join(facts.sourceDir, 'snippets');
  for (const name of readdirSync(folder))
    files[name] = fillTables(fillBodies(readFileSync(join(folder, name), 'utf8')), facts);
  const change = changerOf(files);
  const bytesOfClaims = Math.min(8, facts.claims?.length ?? 0) * maxClaimBytes;
  change('ask.conf', /(proxy_buffer_size) 2400/, `$1 ${2400 + bytesOfClaims}`);
  change('decision_address.conf', /^ +server .*\n/m, eachAddress(decisionAddress));
  change('decision_listen.conf', /^listen .*\n/m, eachAddress(decisionAddress));
  // Without keepalive_min_timeout a reload closes kept connections. nginx sends a question that failed on a closed
  // connection again to the next socket, and gives up after each socket has failed. With one address it never gives up.
  if (decisionAddress.startsWith('unix:') && !isAtLeast(facts.nginxVersion, '1.27.4')) {
    change('decision_address.conf', /^ +keepalive.*\n/gm, '');
  }
  change('decision_secret.conf', /(X-Keygate-Secret )none;/, `$1${decisionSecret};`);
  change('decision_asker.conf', /^( +)none( 1;)/m, `$1${decisionSecret}$2`);
  change('decision_server.conf', /"~TARGET"/, () => `"~${usualTargetPattern}"`);
  change('decision_server.conf', /"~REQUEST_ID"/, () => `"~${requestIdPattern}"`);
  change('decision_server.conf', /"~PLAIN_PATH"/, () => `"~${plainPath}"`);
  change('decision_server.conf', /"~PLAIN_ID"/g, () => `"~${plainIdPattern}"`);
  change('decision_server.conf', /"~TRACEPARENT"/, () => `"~${traceparent}"`);
  change('to_sidecar.conf', /SIDECAR_MEDIA_TYPE/, sidecarMediaType);
  for (const name of ['decision_server.conf', 'metrics.conf', 'count_requests.conf']) {
    change(name, /js_engine qjs;/, `js_engine ${engine};`);
  }
  if (facts.hasTls === false) files['certificate.conf'] = 'map "" $keygate_certificate { default ""; }\n';
  if (credentialHeaders.includes(subprotocolHeader)) {
    files['subprotocols.conf'] = 'auth_request_set $keygate_subprotocols $upstream_http_x_keygate_subprotocols;\n';
  }
  for (const [version, directives] of Object.entries(directivesSince)) {
    const isSupported = isAtLeast(facts.nginxVersion, version);
    if (isSupported) files[`since_${version.replaceAll('.', '_')}.conf`] = directives;
  }
  return files;
}

const maxClaimBytes = 600; // the name and the value of a header

const plainHost = '[A-Za-z0-9._:\\[\\]-]*';
/** A plain path of a `$keygate_target` without identity headers (auth/target.ts); JavaScript encodes other paths. */
export const plainPath = `^= ${plainHost} ${plainHost} (?<keygate_plain_path>${plainPathPattern})(?:[?#]|$)`;
const { before, traceId, after } = traceparentPatterns;
/** A `traceparent` with its trace id. */
export const traceparent = `${before}(?<keygate_traceparent_id>${traceId})${after}`;

function changerOf(files: SnippetFiles) {
  return (name: string, pattern: RegExp, text: string | ((line: string) => string)): void => {
    const before = files[name];
    if (before === undefined || !pattern.test(before)) throw new Error(`${name}: nothing matches ${pattern}`);
    files[name] = typeof text === 'string' ? before.replace(pattern, text) : before.replace(pattern, text);
  };
}

/** The Unix sockets of a decision server whose address is `unix:PATH`: PATH.1 and so on. */
export const socketNumbers = [1, 2, 3, 4];

// A Unix socket whose queue is full (net.core.somaxconn, 4096) refuses at once, where TCP tries again: 5,000 requests
// in one moment need more than one socket.
function eachAddress(address: string): (line: string) => string {
  const addresses = address.startsWith('unix:') ? socketNumbers.map((number) => `${address}.${number}`) : [address];
  return (line) => addresses.map((one) => line.replace('127.0.0.1:9147', one)).join('');
}

/** Puts the body of a refusal in the place of each `@reason@`. */
export function fillBodies(text: string): string {
  return text.replace(/@([a-z_]+)@/g, (_, reason: string) => {
    if (!isReason(reason)) throw new Error(`@${reason}@ is no reason of auth/refusals.ts`);
    return formatRefusal(reason).body;
  });
}

// auth/location_settings.ts has the order, with the credential headers first: those of providers stand behind them.
function joinSettings(providerHeaders: string[]): string {
  const texts = askedSettings.map((name) => `$keygate_${name}`);
  texts[0] = [texts[0], ...providerHeaders].join(',');
  return texts.join('\\t');
}

type TableFacts = Pick<SnippetFacts, 'claims' | 'credentialHeaders' | 'providerHeaders'>;

/**
 * Fills in what tables of auth/ hold: the settings that go with a question (location_settings.ts), for each line that
 * stands for identity headers a line for each row of identity_headers.ts and for each claim, and likewise for the
 * credential headers.
 */
export function fillTables(
  text: string,
  { claims = [], credentialHeaders = [], providerHeaders = [] }: TableFacts = {},
): string {
  const rows = claims.map(claimHeader);
  const identities = [...identityHeaders, ...rows];
  const sent = [...new Set([...credentialHeaders, ...providerHeaders])];
  const joined = identities.map(({ header }) => `$http_${variablePart(header)}`).join('');
  const lines = text
    .replace('ASKED_SETTINGS', joinSettings(providerHeaders))
    .replace('CLAIM_VARIABLES', claims.join(' '))
    .replace('$http_IDENTITY_NAME', joined)
    .replace('SENT_HEADERS', sent.join(','))
    .replace('PROVIDER_HEADERS', providerHeaders.join(','))
    .replace('CORS_EXPOSED', exposedHeaders)
    .split('\n');
  return lines
    .flatMap((line) => eachCredential(line, sent))
    .flatMap((line) => eachIdentity(line, identities, [...carriedValues, ...rows]))
    .join('\n');
}

function eachCredential(line: string, further: string[]): string[] {
  if (!line.includes('CREDENTIAL_')) return [line];
  const headers = [...usualHeaders, ...further.map(inUsualCase)];
  if (line.includes('CREDENTIAL_SPELLING')) {
    return headers.flatMap(underscoreSpellings).map((one) => line.replace('CREDENTIAL_SPELLING', one));
  }
  // asking.conf has a map of its own for the subprotocols, from which only the key is taken out
  const own = line.startsWith('map ') ? headers.filter((one) => one.toLowerCase() !== subprotocolHeader) : headers;
  return own.map((header) =>
    line
      .replace('CREDENTIAL_HEADER', header)
      .replace('CREDENTIAL_PARAM', variablePart(header).toUpperCase())
      .replaceAll('CREDENTIAL_VARIABLE', variablePart(header)),
  );
}

const inUsualCase = (name: string) => name.replace(/(?:^|-)[a-z]/g, (one) => one.toUpperCase());

const auditedValues = [...auditedOfRequest, ...carriedForAudit];

type Told = Pick<IdentityHeader, 'header' | 'variable'>;
type Carried = Pick<CarriedValue, 'answerHeader' | 'variable'>;

function eachIdentity(line: string, identities: Told[], carried: Carried[]): string[] {
  if (line.includes('AUDITED_')) {
    const values = line.includes('AUDITED_OF_REQUEST_') ? auditedOfRequest : auditedValues;
    return values.map(({ answerHeader, variable }) =>
      line
        .replace('AUDITED_HEADER', answerHeader)
        .replace('AUDITED_OF_REQUEST_HEADER', answerHeader)
        .replace(/AUDITED_(?:OF_REQUEST_)?ANSWER/, variablePart(answerHeader))
        .replace(/AUDITED_(?:OF_REQUEST_)?VARIABLE/, variable),
    );
  }
  if (line.includes('IDENTITY_SPELLING')) {
    const spellings = identities.flatMap(({ header }) => underscoreSpellings(header));
    return spellings.map((spelling) => line.replace('IDENTITY_SPELLING', spelling));
  }
  if (line.includes('IDENTITY_')) {
    return identities.map(({ header, variable }) =>
      line
        .replace('IDENTITY_HEADER', header)
        .replace('IDENTITY_PARAM', variablePart(header).toUpperCase())
        .replace('IDENTITY_VARIABLE', variable),
    );
  }
  if (!line.includes('CARRIED_')) return [line];
  return carried.map(({ answerHeader, variable }) =>
    line.replace('CARRIED_ANSWER', variablePart(answerHeader)).replace('CARRIED_VARIABLE', variable),
  );
}

function variablePart(header: string): string {
  return header.toLowerCase().replaceAll('-', '_');
}

/** A header's spellings with an underscore in the place of some of its dashes. */
function underscoreSpellings(header: string): string[] {
  const [first = '', ...rest] = header.split('-');
  const all = rest.reduce((begun, part) => begun.flatMap((one) => [`${one}_${part}`, `${one}-${part}`]), [first]);
  return all.filter((spelling) => spelling !== header);
}
