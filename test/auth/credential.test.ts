// A client that sends its credential in a header of its choice, or in several.

import { describe, expect, it } from 'vitest';
import {
  chooseCredential,
  maxCredentialBytes,
  readCredential,
  type CredentialHeaders,
  checkKeyForm,
  parseKeyId,
} from '../../auth/credential.js';

const choose = (headers: Partial<CredentialHeaders>, further: string[] = []) =>
  chooseCredential({ authorization: '', xApiKey: '', apiKey: '', further: '', ...headers }, further);

describe('chooseCredential', () => {
  it.each([
    ['a Bearer value', { authorization: 'Bearer abc' }],
    ['Bearer in lower case', { authorization: 'bearer abc' }],
    ['Bearer in upper case', { authorization: 'BEARER abc' }],
    ['several spaces after Bearer', { authorization: 'Bearer   abc' }],
    ['trailing white space', { authorization: 'Bearer abc \t' }],
    ['the raw value', { authorization: 'abc' }],
    ['x-api-key', { xApiKey: 'abc' }],
    ['api-key', { apiKey: 'abc' }],
    ['equal values in two headers', { authorization: 'Bearer abc', xApiKey: 'abc' }],
    ['equal values in all three', { authorization: 'abc', xApiKey: 'abc', apiKey: 'abc' }],
    ['an empty Bearer beside x-api-key', { authorization: 'Bearer ', xApiKey: 'abc' }],
    ['another scheme beside x-api-key', { authorization: 'Basic eDp5', xApiKey: 'abc' }],
  ])('takes the credential from %s', (_, headers) => {
    expect(choose(headers)).toBe('abc');
  });

  it.each([
    ['nothing was sent', {}],
    ['all values are empty', { authorization: '', xApiKey: ' ', apiKey: '\t' }],
    ['Bearer stands alone', { authorization: 'Bearer' }],
    ['Bearer is followed by spaces', { authorization: 'Bearer   ' }],
  ])('says missing_credential when %s', (_, headers) => {
    expect(choose(headers)).toEqual({ reason: 'missing_credential' });
  });

  it('says unsupported_scheme for Basic alone', () => {
    expect(choose({ authorization: 'Basic eDp5' })).toEqual({ reason: 'unsupported_scheme' });
  });

  it.each([
    ['Authorization and x-api-key', { authorization: 'Bearer a', xApiKey: 'b' }],
    ['Authorization and api-key', { authorization: 'a', apiKey: 'b' }],
    ['x-api-key and api-key', { xApiKey: 'a', apiKey: 'b' }],
    ['x-api-key and api-key beside Basic', { authorization: 'Basic eDp5', xApiKey: 'a', apiKey: 'b' }],
  ])('says two_credentials for different values in %s', (_, headers) => {
    expect(choose(headers)).toEqual({ reason: 'two_credentials' });
  });

  it.each(['a, b', 'a, a', 'a, ', ', a', ',', 'a,b', 'a.b, c.d'])(
    'says doubled_header for %j in a key header, which is how nginx joins two',
    (joined) => {
      expect(choose({ xApiKey: joined })).toEqual({ reason: 'doubled_header' });
      expect(choose({ apiKey: joined })).toEqual({ reason: 'doubled_header' });
      expect(choose({ authorization: 'Bearer a', xApiKey: joined })).toEqual({ reason: 'doubled_header' });
    },
  );

  it('takes a comma in Authorization as it is: nginx lets no request through that has two', () => {
    expect(choose({ authorization: 'Bearer a,b' })).toBe('a,b');
  });
});

describe('chooseCredential in a location with further headers', () => {
  const names = ['x-goog-api-key', 'sec-websocket-protocol'];
  const further = (...values: string[]) => values.join('\n');
  const offered = 'realtime, openai-insecure-api-key.abc, openai-beta.realtime-v1';

  it.each([
    ['the first of them', { further: further('abc', '') }],
    ['the first of them, with white space', { further: further(' abc\t', '') }],
    ['a subprotocol', { further: further('', offered) }],
    ['a subprotocol whose name is written otherwise', { further: further('', 'OpenAI-Insecure-API-Key.abc') }],
    [
      'several, equal to the usual ones',
      { authorization: 'Bearer abc', xApiKey: 'abc', further: further('abc', offered) },
    ],
    ['Authorization beside subprotocols without a key', { authorization: 'abc', further: further('', 'realtime') }],
    ['the first beside Basic', { authorization: 'Basic eDp5', further: further('abc', '') }],
  ])('takes the credential from %s', (_, headers) => {
    expect(choose(headers, names)).toBe('abc');
  });

  it.each([
    ['Authorization', { authorization: 'Bearer abcd', further: further('abc', '') }],
    ['x-api-key', { xApiKey: 'abcd', further: further('abc', '') }],
    ['a subprotocol', { further: further('abcd', offered) }],
  ])('says two_credentials for another in %s', (_, headers) => {
    expect(choose(headers, names)).toEqual({ reason: 'two_credentials' });
  });

  it.each([
    ['the header', further('abc, abc', '')],
    ['the subprotocol', further('', 'openai-insecure-api-key.abc, openai-insecure-api-key.abc')],
    ['an empty subprotocol', further('', 'openai-insecure-api-key., openai-insecure-api-key.abc')],
  ])('says doubled_header for %s twice, even with equal values', (_, values) => {
    expect(choose({ further: values }, names)).toEqual({ reason: 'doubled_header' });
  });

  it.each([further('', 'realtime'), further('', 'openai-insecure-api-key.'), further(' ', '')])(
    'says missing_credential for %j',
    (values) => {
      expect(choose({ further: values }, names)).toEqual({ reason: 'missing_credential' });
    },
  );

  it('says subprotocols_too_long for more than a verdict carries', () => {
    const key = 'openai-insecure-api-key.abc';
    expect(choose({ further: further('', `${key}, ${'p'.repeat(256)}`) }, names)).toBe('abc');
    expect(choose({ further: further('', `${key}, ${'p'.repeat(257)}`) }, names)).toEqual({
      reason: 'subprotocols_too_long',
    });
  });
});

describe('readCredential', () => {
  it.each(['a b', 'a\x01', 'a\x7f', 'a\ufffd', 'a\u00e9', 'Bearer\tabc'])(
    'says malformed_credential for %j',
    (value) => {
      expect(readCredential(value)).toEqual({ reason: 'malformed_credential' });
    },
  );

  it('judges a credential of exactly 12,288 bytes and refuses a longer one', () => {
    const longest = 'k'.repeat(maxCredentialBytes);
    expect(readCredential(longest)).toMatchObject({ credential: longest });
    expect(readCredential(longest + 'k')).toEqual({ reason: 'credential_too_long' });
    expect(readCredential('a.b.' + longest)).toEqual({ reason: 'token_too_long' });
  });
});

describe('what is shaped like a token', () => {
  it.each(['a.b.c', '..', 'a..', 'a b.c.\x01'])('takes %j, with exactly two dots, for a JWT', (text) => {
    expect(readCredential(text)).toEqual({ credential: text, tokenParts: text.split('.') });
  });

  it.each(['abc', 'a.b', 'a.b.c.d', '.'])('takes %j for an API key', (text) => {
    expect(readCredential(text)).toEqual({ credential: text, tokenParts: undefined });
  });
});

const secret = 's'.repeat(43);

it('reads the id of a generated key', () => {
  expect(parseKeyId(`kg_Ab3dE6gH_${secret}`)).toBe('Ab3dE6gH');
});

it.each([
  '',
  'kg_',
  `kg_Ab3dE6g_${secret}`,
  `kg_Ab3dE6gH_${secret}x`,
  `kg_Ab3dE6gH_${secret.slice(1)}-`,
  `KG_Ab3dE6gH_${secret}`,
  `x kg_Ab3dE6gH_${secret}`,
])('reads no id in %j', (key) => {
  expect(parseKeyId(key)).toBe('');
});

it('lets keys of up to 72 bytes be tried against bcrypt, and none with a NUL', () => {
  expect(checkKeyForm('k'.repeat(72))).toBeUndefined();
  expect(checkKeyForm('k'.repeat(73))).toBe('unknown_key');
  expect(checkKeyForm('abc\0def')).toBe('unknown_key');
  expect(checkKeyForm('schlüssel')).toBe('unknown_key');
});
