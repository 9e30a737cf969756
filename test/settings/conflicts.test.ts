// An operator who sets providers up beside the unnamed one.

import { describe, expect, it } from 'vitest';
import { findConflicts, splitList } from '../../settings/conflicts.js';
import type { Values } from '../../settings/table.js';

const url = 'https://issuer.example/keys';
const byName = 'JWT_ISSUER: expected the issuers by name, as JWT_PROVIDERS is set beside JWKS_URL';
const unset = 'JWT_ISSUER: expected the issuers to accept, or the word any, as JWKS_URL is set';
const all = { JWKS_URL: url, JWT_PROVIDERS: '/p.json', JWT_AUDIENCE: 'any' };

describe('findConflicts, for JWT_ISSUER beside JWT_PROVIDERS', () => {
  it.each<[string, Values, string[]]>([
    ['issuers by name', { ...all, JWT_ISSUER: 'https://a.example,b' }, []],
    ['the word any among issuers', { ...all, JWT_ISSUER: 'any,b' }, []],
    ['the word any', { ...all, JWT_ISSUER: 'any' }, [byName]],
    ['the word any behind a comma', { ...all, JWT_ISSUER: ',any,' }, [byName]],
    ['no issuer', all, [unset]],
    ['any without JWT_PROVIDERS', { ...all, JWT_PROVIDERS: undefined, JWT_ISSUER: 'any' }, []],
    ['any without JWKS_URL', { JWT_PROVIDERS: '/p.json', JWT_ISSUER: 'any' }, []],
    [
      'any with keys of a file, which are then ignored',
      { JWT_PROVIDERS: '/p.json', JWKS_PATH: '/k', JWT_ISSUER: 'any' },
      [],
    ],
    ['no issuer and no keys', { JWT_PROVIDERS: '/p.json' }, []],
  ] as [string, Values, string[]][])('with %s', (_, values, faults) => {
    expect(findConflicts(values)).toEqual(faults);
  });

  it('says it beside other faults', () => {
    const values = { JWKS_URL: url, JWT_PROVIDERS: '/p.json', JWT_ISSUER: 'any' };
    expect(findConflicts(values as Values)).toEqual([byName, expect.stringMatching(/^JWT_AUDIENCE: /)]);
  });

  it('wants no OAUTH_SERVERS, since providers have issuers', () => {
    const values = { OAUTH_RESOURCE: 'https://a.example' };
    expect(findConflicts(values as Values)).toEqual([expect.stringMatching(/^OAUTH_SERVERS: /)]);
    expect(findConflicts({ ...values, JWT_PROVIDERS: '/p.json' } as Values)).toEqual([]);
  });
});

describe('splitList', () => {
  it.each([
    [undefined, []],
    ['', []],
    [',', []],
    [' a ,, b', ['a', 'b']],
  ])('splits %j', (text, parts) => {
    expect(splitList(text)).toEqual(parts);
  });
});
