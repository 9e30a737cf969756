import { describe, expect, it } from 'vitest';
import { maxCredentialBytes, readCredential, type CredentialHeaders } from '../../auth/credential.js';

const read = (headers: Partial<CredentialHeaders>) =>
  readCredential({ authorization: '', xApiKey: '', apiKey: '', ...headers });

describe('readCredential', () => {
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
    expect(read(headers)).toEqual({ credential: 'abc', tokenParts: undefined });
  });

  it.each([
    ['nothing was sent', {}],
    ['all values are empty', { authorization: '', xApiKey: ' ', apiKey: '\t' }],
    ['Bearer stands alone', { authorization: 'Bearer' }],
    ['Bearer is followed by spaces', { authorization: 'Bearer   ' }],
  ])('says missing_credential when %s', (_, headers) => {
    expect(read(headers)).toEqual({ reason: 'missing_credential' });
  });

  it('says unsupported_scheme for Basic alone', () => {
    expect(read({ authorization: 'Basic eDp5' })).toEqual({ reason: 'unsupported_scheme' });
  });

  it.each([
    ['Authorization and x-api-key', { authorization: 'Bearer a', xApiKey: 'b' }],
    ['Authorization and api-key', { authorization: 'a', apiKey: 'b' }],
    ['x-api-key and api-key', { xApiKey: 'a', apiKey: 'b' }],
    ['x-api-key and api-key beside Basic', { authorization: 'Basic eDp5', xApiKey: 'a', apiKey: 'b' }],
  ])('says two_credentials for different values in %s', (_, headers) => {
    expect(read(headers)).toEqual({ reason: 'two_credentials' });
  });

  it('says malformed_credential for values that nginx has joined', () => {
    expect(read({ xApiKey: 'a, b' })).toEqual({ reason: 'malformed_credential' });
  });

  it.each(['a b', 'a\x01', 'a\x7f', 'a\ufffd', 'a\u00e9', 'Bearer\tabc'])(
    'says malformed_credential for %j in x-api-key',
    (value) => {
      expect(read({ xApiKey: value })).toEqual({ reason: 'malformed_credential' });
    },
  );

  it('judges a credential of exactly 12,288 bytes and refuses a longer one', () => {
    const longest = 'k'.repeat(maxCredentialBytes);
    expect(read({ xApiKey: longest })).toMatchObject({ credential: longest });
    expect(read({ xApiKey: longest + 'k' })).toEqual({ reason: 'credential_too_long' });
    expect(read({ xApiKey: 'a.b.' + longest })).toEqual({ reason: 'token_too_long' });
  });
});

describe('what is shaped like a token', () => {
  it.each(['a.b.c', '..', 'a..'])('takes %j, with exactly two dots, for a JWT', (text) => {
    expect(read({ xApiKey: text })).toEqual({ credential: text, tokenParts: text.split('.') });
  });

  it.each(['abc', 'a.b', 'a.b.c.d', '.'])('takes %j for an API key', (text) => {
    expect(read({ xApiKey: text })).toEqual({ credential: text, tokenParts: undefined });
  });
});
