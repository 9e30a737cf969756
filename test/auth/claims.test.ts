// A client with a token that is expired, early, for somebody else, or made up by an issuer that bends the standard.

import { describe, expect, it } from 'vitest';
import { parseClaimPath } from '../../auth/claim_path.js';
import type { ClaimTest } from '../../auth/claim_tests.js';
import { checkClaims, readUnverifiedIssuer } from '../../auth/claims.js';
import type { JwtSettings } from '../../auth/token_rules.js';
import { nodePlatform } from '../../node/crypto.js';

const now = 1_800_000_000;
const settings: JwtSettings = { issuers: ['https://i'], audiences: ['a', 'b'], leewaySeconds: 30 };
const good = { sub: 'alice', iss: 'https://i', aud: 'a', exp: now + 60 };
const check = (claims: object, changed: Partial<JwtSettings> = {}) =>
  checkClaims(claims as never, { ...settings, ...changed }, { nowSeconds: now, isOurs: false, platform: nodePlatform });

describe('checkClaims', () => {
  it('reads what the gateway needs', () => {
    expect(check({ ...good, scope: 'x y', key: 'k' })).toEqual({
      subject: 'alice',
      issuer: 'https://i',
      scopes: ['x', 'y'],
      expiresSeconds: now + 90,
      key: 'k',
    });
  });

  it.each([
    ['one second before the leeway ends', { exp: now - 29 }],
    ['with a fraction', { exp: now + 0.5 }],
    ['at 2^53', { exp: 2 ** 53 }],
    ['valid within the leeway', { nbf: now + 30 }],
    ['issued within the leeway', { iat: now + 30 }],
    ['with one matching audience of several', { aud: ['x', 'b'] }],
    ['without sub', { sub: undefined }],
    ['with scp as an array', { scp: ['x', 'y'] }],
    ['with scp as text', { scp: 'x y' }],
  ])('accepts a token %s', (_, changed) => {
    expect(check(JSON.parse(JSON.stringify({ ...good, ...changed })) as object)).not.toHaveProperty('reason');
  });

  it.each([
    ['scope as an array', { scope: ['x', 'y'] }, ['x', 'y']],
    ['scope as an array, and scp as text', { scope: ['x'], scp: 'y z' }, ['x', 'y', 'z']],
    ['scope as a number', { scope: 5 }, []],
    ['scope with a character that no scope has', { scope: 'a"b' }, []],
    ['scope as an array that holds a number', { scope: ['x', 1] }, []],
    ['scp as an object, beside a good scope', { scope: 'x', scp: {} }, ['x']],
    ['scope null', { scope: null }, []],
  ])('holds of %s no scope but those that are strings', (_, changed, scopes) => {
    expect(check({ ...good, ...changed })).toMatchObject({ scopes });
  });

  it('leaves a claim `key` of another issuer alone, whatever it is', () => {
    expect(check({ ...good, key: { a: 1 } })).toMatchObject({ key: undefined });
  });

  it('asks no token of ours when it was issued: our clock may have been set back', () => {
    const early = { ...good, iat: now + 3600 };
    expect(check(early)).toEqual({ reason: 'token_issued_in_future' });
    expect(
      checkClaims(early as never, settings, { nowSeconds: now, isOurs: true, platform: nodePlatform }),
    ).not.toHaveProperty('reason');
  });

  it.each([
    ['token_no_expiry', { exp: undefined }],
    ['token_claim_type', { exp: String(now + 60) }],
    ['token_claim_type', { exp: -1 }],
    ['token_claim_type', { exp: 2 ** 53 + 2 }],
    ['token_claim_type', { exp: null }],
    ['token_claim_type', { exp: [now + 60] }],
    ['token_claim_type', { nbf: '1' }],
    ['token_claim_type', { iat: {} }],
    ['token_expired', { exp: now - 30 }],
    ['token_expired', { exp: 0 }],
    ['token_not_yet_valid', { nbf: now + 31 }],
    ['token_issued_in_future', { iat: now + 31 }],
    ['token_audience', { aud: undefined }],
    ['token_audience', { aud: 'c' }],
    ['token_audience', { aud: [] }],
    ['token_audience', { aud: '' }],
    ['token_claim_type', { aud: ['a', 1] }],
    ['token_claim_type', { aud: { a: 1 } }],
    ['token_claim_type', { aud: null }],
    ['token_confirmation', { cnf: {} }],
    ['token_confirmation', { cnf: null }],
    ['token_claim_type', { sub: 1 }],
    ['token_claim_type', { sub: null }],
    ['token_subject', { sub: 'a\nb' }],
    ['token_subject', { sub: 'a\u0000' }],
    ['token_subject', { sub: '\ud800' }],
    ['token_subject', { sub: 'x'.repeat(257) }],
    ['token_subject', { sub: 'ä'.repeat(43) }],
    ['token_claim_type', { iss: 5 }],
    ['token_claim_type', { jti: 5 }],
  ])('refuses with %s: %j', (reason, changed) => {
    const claims: { [name: string]: unknown } = { ...good, ...changed };
    for (const name of Object.keys(claims)) if (claims[name] === undefined) delete claims[name];
    expect(check(claims)).toEqual({ reason });
  });

  it('refuses an infinite date, which JSON can spell as 1e400', () => {
    expect(check(JSON.parse('{"exp":1e400,"aud":"a"}') as object)).toEqual({ reason: 'token_claim_type' });
  });

  it('asks for no audience where any is accepted', () => {
    expect(check({ exp: now + 60 }, { audiences: 'any' })).not.toHaveProperty('reason');
  });

  it('takes a list without a member for a list that nothing matches', () => {
    expect(check(good, { audiences: [] })).toEqual({ reason: 'token_audience' });
  });
});

describe('checkClaims by the rules of a named provider', () => {
  const paths = (...names: string[]) => names.map(parseClaimPath);
  const subject = paths('email', 'profile.name');
  const thumbprint = nodePlatform.sha256('certificate');
  const bound = (cnf: unknown, certificateThumbprint?: string) =>
    checkClaims({ ...good, cnf }, settings, {
      nowSeconds: now,
      isOurs: false,
      platform: nodePlatform,
      certificateThumbprint,
    });

  it.each([
    ['the first claim', { email: 'a@b', profile: { name: 'x' } }, 'a@b'],
    ['the next where the first is empty', { email: '', profile: { name: 'x' } }, 'x'],
    ['the next where the first is missing', { profile: { name: 'Zoë' } }, 'Zo%C3%AB'],
  ])('takes %s for the subject', (_, claims, found) => {
    expect(check({ ...good, ...claims }, { subject })).toMatchObject({ subject: found });
  });

  it.each([
    ['token_no_subject', {}],
    ['token_no_subject', { email: '', profile: 'x' }],
    ['token_claim_type', { email: ['a@b'] }],
    ['token_claim_type', { email: null, profile: { name: 'x' } }],
    ['token_claim_type', { profile: { name: { a: { b: { c: 1 } } } } }],
    ['token_subject', { email: 'a\n' }],
    ['token_subject', { email: 'x'.repeat(12000) }],
    ['token_claim_type', { email: 'a@b', sub: 5 }],
  ])('refuses with %s the subject of %j', (reason, claims) => {
    expect(check({ ...good, ...claims }, { subject })).toEqual({ reason });
  });

  it.each([
    ['text and lists', { roles: ['a', 'b'], realm: { roles: 'c d' } }, ['a', 'b', 'c', 'd']],
    ['a role with a space, which is no scope', { roles: ['Domain Users', 'a'] }, ['a']],
    ['a role with a character that no scope has', { roles: ['"', 'ä', '', 'a'] }, ['a']],
    ['a list with a number in it', { roles: ['a', 1] }, []],
    ['a list in a list', { roles: [['a']] }, []],
    ['an object', { roles: { a: true } }, []],
    ['no such claims, beside a scope that is not asked for', { scope: 'x' }, []],
  ])('reads the scopes of %s', (_, claims, scopes) => {
    expect(check({ ...good, ...claims }, { scopes: paths('roles', 'realm.roles') })).toMatchObject({ scopes });
  });

  it('asks for every required claim, after the audience and before the subject', () => {
    const require: ClaimTest[] = [{ claim: parseClaimPath('hd'), kind: 'one_of', values: ['corp'] }];
    expect(check({ ...good, hd: 'corp' }, { require })).not.toHaveProperty('reason');
    expect(check({ ...good, hd: 'other', sub: 5 }, { require })).toEqual({ reason: 'token_require' });
    expect(check({ ...good, aud: 'c' }, { require })).toEqual({ reason: 'token_audience' });
  });

  it('takes a token that is bound to a certificate from whoever has the certificate', () => {
    expect(bound({ 'x5t#S256': thumbprint }, thumbprint)).not.toHaveProperty('reason');
  });

  it.each([
    ['token_certificate', { 'x5t#S256': thumbprint }, undefined],
    ['token_certificate', { 'x5t#S256': thumbprint }, nodePlatform.sha256('other')],
    ['token_certificate', { 'x5t#S256': '' }, ''],
    ['token_certificate', { 'x5t#S256': 'undefined' }, undefined],
    ['token_confirmation', { 'x5t#S256': thumbprint, jkt: thumbprint }, thumbprint],
    ['token_confirmation', { 'x5t#S256': [thumbprint] }, thumbprint],
    ['token_confirmation', { jkt: thumbprint }, thumbprint],
    ['token_confirmation', { x5t: thumbprint }, thumbprint],
    ['token_confirmation', [thumbprint], thumbprint],
    ['token_confirmation', thumbprint, thumbprint],
    ['token_confirmation', null, thumbprint],
    ['token_confirmation', {}, thumbprint],
  ])('refuses with %s the confirmation %j where the certificate is %s', (reason, cnf, certificate) => {
    expect(bound(cnf, certificate)).toEqual({ reason });
  });
});

describe('readUnverifiedIssuer', () => {
  it('reads a string of the claims themselves', () => {
    expect(readUnverifiedIssuer({ iss: 'x' })).toBe('x');
    expect(readUnverifiedIssuer({ iss: 1 })).toBeUndefined();
    expect(readUnverifiedIssuer({})).toBeUndefined();
  });
});
