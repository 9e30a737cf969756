// An operator who names further headers; and a page whose key is among the subprotocols of its WebSocket, with somebody
// who would like to see it reach the upstream.

import { describe, expect, it } from 'vitest';
import {
  headerVariable,
  keepSubprotocols,
  noSubprotocol,
  parseHeaderNames,
  readSubprotocolKey,
  usualHeaders,
} from '../../auth/credential_headers.js';
import { identityHeaders } from '../../auth/identity_headers.js';
import { claimHeader } from '../../auth/carried_claims.js';

describe('parseHeaderNames', () => {
  it.each<[string, string[]]>([
    ['', []],
    ['X-Goog-Api-Key', ['x-goog-api-key']],
    ['Cf-Access-Jwt-Assertion, x-goog-api-key', ['cf-access-jwt-assertion', 'x-goog-api-key']],
    ['  a  ,b', ['a', 'b']],
    ['Sec-WebSocket-Protocol', ['sec-websocket-protocol']],
    ['x-auth-token', ['x-auth-token']],
    ['x-amzn-oidc-data,x-ms-token-aad-access-token', ['x-amzn-oidc-data', 'x-ms-token-aad-access-token']],
    ['a,b,c,d,e,f,g,h', ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']],
    ['a'.repeat(64), ['a'.repeat(64)]],
    ['a1-', ['a1-']],
    ['tenant-key, hostname, iffy, second', ['tenant-key', 'hostname', 'iffy', 'second']],
  ])('reads %j', (text, names) => {
    expect(parseHeaderNames(text)).toEqual(names);
  });

  it.each([
    ['a comma alone', ','],
    ['an empty name', 'a,,b'],
    ['a comma at the end', 'a,'],
    ['a space alone', ' '],
    ['a tab', 'a,\tb'],
    ['a line end', 'a\n'],
    ['a space within', 'a b'],
    ['an underscore, which nginx may read as a dash', 'x_api_key'],
    ['a colon', 'a:'],
    ['a digit first', '1a'],
    ['a dash first', '-a'],
    ['a letter beyond ASCII', 'é'],
    ['what could end a directive', 'a;b'],
    ['a variable', '$http_a'],
    ['a quote', 'a"'],
    ['the same twice', 'a,b,a'],
    ['the same twice, in two spellings', 'X-Goog-Api-Key,x-goog-api-key'],
    ['subprotocols twice', 'sec-websocket-protocol,Sec-WebSocket-Protocol'],
    ['nine names', 'a,b,c,d,e,f,g,h,i'],
    ['65 characters', 'a'.repeat(65)],
    ['a megabyte', 'a,'.repeat(524288)],
  ])('takes no list with %s', (_, text) => {
    expect(parseHeaderNames(text)).toBeUndefined();
  });

  const taken = [
    'host connection keep-alive te trailer transfer-encoding upgrade expect via date range cookie origin referer',
    'content-length content-type content-encoding if-match if-none-match if-range accept accept-encoding user-agent',
    'forwarded proxy-authorization proxy-connection access-control-request-method sec-fetch-site sec-websocket-key',
    'sec-websocket-version sec-websocket-extensions sec-websocket-protocols x-forwarded-for x-forwarded-host',
    'x-forwarded-proto x-real-ip x-request-id x-original-url x-rewrite-url traceparent tracestate remote-user',
    'x-claude-code-session-id x-keygate x-keygate-settings x-auth-user x-auth-issuer x-auth-method x-auth-claim',
  ];
  const ours = [...usualHeaders, ...identityHeaders.map(({ header }) => header)].join(' ').toLowerCase();
  const ofClaims = ['email', 'a_b_c_d_e', '_'].map((name) => claimHeader(`keygate_claim_${name}`).header).join(' ');

  it.each([...taken, ours, ofClaims].join(' ').split(' '))('takes no %s: it has another meaning', (name) => {
    expect(parseHeaderNames(name)).toBeUndefined();
    expect(parseHeaderNames(`x-goog-api-key, ${name.toUpperCase()}`)).toBeUndefined();
  });
});

describe('headerVariable', () => {
  it('names the variable as nginx does', () => {
    expect(headerVariable('X-Goog-Api-Key')).toBe('http_x_goog_api_key');
    expect(headerVariable('sec-websocket-protocol')).toBe('http_sec_websocket_protocol');
  });
});

const prefix = 'openai-insecure-api-key.';

describe('readSubprotocolKey', () => {
  it.each([
    ['alone', `${prefix}KEY`],
    ['between others', `realtime,${prefix}KEY, openai-beta.realtime-v1`],
    ['with white space around it', `a ,\t ${prefix}KEY \t, b`],
    ['in capitals', 'OPENAI-INSECURE-API-KEY.KEY'],
    ['beside empty ones', `,, ${prefix}KEY,`],
    ['beside what is no subprotocol', `"x", ${prefix}KEY, a b`],
    ['beside one that nearly is a key', `openai-insecure-api-key, ${prefix}KEY, x-${prefix}y`],
    ['beside 256 characters', `${prefix}KEY,${'p'.repeat(256)}`],
    ['beside 256 characters in two', `${'p'.repeat(100)},${prefix}KEY,${'p'.repeat(154)}`],
  ])('finds the key %s', (_, value) => {
    expect(readSubprotocolKey(value)).toBe('KEY');
  });

  it('takes a key as it is, whatever it is: others judge its form', () => {
    for (const key of ['a.b.c', `${prefix}KEY`, '=', 'é', '"q"', 'x'.repeat(20000), 'a b'])
      expect(readSubprotocolKey(`${prefix}${key}`)).toBe(key);
  });

  it.each(['', 'realtime', 'openai-insecure-api-key', 'openai-insecure-api-key KEY', `x.${prefix}KEY`, prefix, ','])(
    'finds none in %j',
    (value) => {
      expect(readSubprotocolKey(value)).toBe('');
    },
  );

  it.each([
    `${prefix}KEY,${prefix}KEY`,
    `${prefix},${prefix}KEY`,
    `${prefix},${prefix}`,
    `${prefix}a,b,OPENAI-insecure-api-key.b`,
  ])('refuses two keys, even where they are equal or empty: %j', (value) => {
    expect(readSubprotocolKey(value)).toEqual({ reason: 'doubled_header' });
  });

  it('refuses more others than a verdict carries, with a key and not without', () => {
    const tooMany = ['p'.repeat(257), `${'p'.repeat(100)},${'p'.repeat(155)}`];
    for (const others of tooMany) {
      expect(readSubprotocolKey(`${prefix}KEY,${others}`)).toEqual({ reason: 'subprotocols_too_long' });
      expect(readSubprotocolKey(`${prefix},${others}`)).toEqual({ reason: 'subprotocols_too_long' });
      expect(readSubprotocolKey(`"${prefix}KEY",${others}`)).toEqual({ reason: 'subprotocols_too_long' });
      expect(readSubprotocolKey(others)).toBe('');
    }
  });
});

describe('keepSubprotocols', () => {
  it.each([
    ['a key alone', `${prefix}KEY`, noSubprotocol],
    ['an empty key', prefix, noSubprotocol],
    ['a key beside nothing that counts', `,"x", ${prefix}KEY ,a b,`, noSubprotocol],
    ['a key first', `${prefix}KEY,realtime`, 'realtime'],
    ['a key in capitals', 'OpenAI-Insecure-API-KEY.KEY, a', 'a'],
    ['a key in quotes and capitals', '"OpenAI-Insecure-API-KEY.KEY", a', 'a'],
    ['a key last', `realtime\t,\tv1, ${prefix}KEY`, 'realtime, v1'],
    ['two keys', `a,${prefix}KEY,b,${prefix}KEY2`, 'a, b'],
    ['every character of a token', `!#$%&'*+-.^_\`|~09azAZ,${prefix}KEY`, "!#$%&'*+-.^_`|~09azAZ"],
    ['a key in quotes', `realtime, "${prefix}KEY"`, 'realtime'],
    ['a key in a quoted list', `"a, ${prefix}KEY", b`, 'b'],
    ['a key behind another white space', `a,\v${prefix}KEY,\u00a0${prefix}KEY,\f${prefix}KEY,b`, 'a, b'],
    ['a key behind another separator', `a;${prefix}KEY, b c ${prefix}KEY`, noSubprotocol],
    ['a key at the end of a name', `a, x.${prefix}KEY`, 'a'],
    ['no key', 'realtime ,\t"b"', ''],
    ['the prefix without its dot', 'openai-insecure-api-key, a', ''],
    ['nothing', '', ''],
  ])('keeps what may go upstream of %s', (_, value, kept) => {
    expect(keepSubprotocols(value)).toBe(kept);
  });
});
