// Further headers in which a credential may stand, beside Authorization, x-api-key and api-key (CREDENTIAL_HEADERS);
// and how a browser's WebSocket brings a key: among its subprotocols (RFC 6455 section 4.1), as openai's
// OpenAIRealtimeWebSocket does.

/** The header lines that every location reads, as requests to an upstream are written. */
export const usualHeaders = ['Authorization', 'X-Api-Key', 'Api-Key'];

/** The header of a WebSocket's subprotocols; where it is among the further headers, a key may be one of them. */
export const subprotocolHeader = 'sec-websocket-protocol';

/** What CREDENTIAL_HEADERS must be, for messages. */
export const headerNamesForm = 'at most 8 names of headers, separated by commas, that no other part of HTTP needs';

const maxNames = 8;
/** How many headers the providers of JWT_PROVIDERS may name together; the sum is what a location may read. */
export const maxProviderHeaders = 8;

/**
 * Whether a header has another meaning: for HTTP, nginx, the identity headers, or a question to the decision server.
 * @param name in lower case
 */
export function hasOtherMeaning(name: string): boolean {
  return new RegExp(
    '^(?:authorization|x-api-key|api-key|host|connection|cookie|te|trailer|upgrade|expect|via|forwarded|origin|date|' +
      'referer|user-agent|range|keep-alive|transfer-encoding|traceparent|tracestate|x-real-ip|x-request-id|' +
      'x-original-url|x-rewrite-url|x-auth-(?:user|issuer|method)|remote-user|' +
      '(?:accept|content|if|proxy|access-control|x-forwarded|x-keygate|x-auth-claim|x-claude-code|sec)(?:-.*)?)$',
  ).test(name);
}

/**
 * Parses a list of further headers.
 * @param text names separated by commas, in any case; empty for none
 * @returns the names in lower case, or undefined where the text is no such list
 */
export function parseHeaderNames(text: string): string[] | undefined {
  return text === '' ? [] : checkNames(splitNames(text), maxNames);
}

/**
 * Parses the headers that a location reads: those of its setting and, behind them, those of all providers. A name
 * counts once.
 * @returns as parseHeaderNames
 */
export function parseReadHeaders(text: string): string[] | undefined {
  const listed = splitNames(text);
  const names = listed.filter((name, i) => name !== '' && listed.indexOf(name) === i);
  return checkNames(names, maxNames + maxProviderHeaders);
}

function splitNames(text: string): string[] {
  return text.split(',').map((name) => name.replace(/^ +| +$/g, '').toLowerCase());
}

function checkNames(names: string[], most: number): string[] | undefined {
  const isGood = (name: string, i: number) =>
    /^[a-z][a-z0-9-]{0,63}$/.test(name) &&
    (name === subprotocolHeader || !hasOtherMeaning(name)) &&
    names.indexOf(name) === i;
  return names.length <= most && names.every(isGood) ? names : undefined;
}

/** The nginx variable that has a header of the request, without the dollar sign. */
export function headerVariable(name: string): string {
  return 'http_' + name.toLowerCase().replace(/-/g, '_');
}

const keyPrefix = 'openai-insecure-api-key.';
const maxKeptCharacters = 256; // a verdict carries them, and has to fit the buffer of ask.conf

interface Subprotocols {
  /** The keys among them. */
  keys: string[];
  /** The others, separated by commas. */
  kept: string;
  /** Whether the upstream gets no more than those. */
  isCut: boolean;
}

// Names of subprotocols are compared without case here, and what has the prefix in another place (behind a quote, or
// white space of another kind) is no key and is not kept either: no spelling lets a key through to the upstream.
function readSubprotocols(value: string): Subprotocols {
  const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/; // RFC 9110 section 5.6.2
  const keys: string[] = [];
  const others: string[] = [];
  const hasPrefix = (text: string) => text.toLowerCase().indexOf(keyPrefix) >= 0;
  value.split(',').forEach((one) => {
    const name = one.replace(/^[ \t]+|[ \t]+$/g, '');
    const isKey = name.slice(0, keyPrefix.length).toLowerCase() === keyPrefix;
    if (isKey) keys.push(name.slice(keyPrefix.length));
    else if (token.test(name) && !hasPrefix(name)) others.push(name);
  });
  return { keys, kept: others.join(', '), isCut: hasPrefix(value) };
}

/**
 * Reads the key among a WebSocket's subprotocols.
 * @param value the header Sec-WebSocket-Protocol
 * @returns the key; empty without a key; or the reason to refuse the request
 */
export function readSubprotocolKey(value: string): string | { reason: 'doubled_header' | 'subprotocols_too_long' } {
  const { keys, kept, isCut } = readSubprotocols(value);
  if (keys.length > 1) return { reason: 'doubled_header' };
  if (isCut && kept.length > maxKeptCharacters) return { reason: 'subprotocols_too_long' };
  return keys[0] || '';
}

/** What stands for no subprotocol at all: no client can offer this name. */
export const noSubprotocol = ',';

/**
 * The subprotocols that the upstream may choose from (RFC 6455 section 4.2.2: the answer names one that was offered).
 * @param value the header Sec-WebSocket-Protocol
 * @returns those without the key, `,` where nothing else was offered; empty where nothing has to be cut, so that
 * the header may stay as it is
 */
export function keepSubprotocols(value: string): string {
  const { kept, isCut } = readSubprotocols(value);
  if (!isCut) return '';
  return kept === '' ? noSubprotocol : kept;
}
