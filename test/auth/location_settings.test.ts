import { describe, expect, it } from 'vitest';
import { parseList, parseLocationSettings } from '../../auth/location_settings.js';

const join = (...parts: string[]) => parts.map((part) => `${part}\n`).join('');

describe('parseLocationSettings', () => {
  it('reads every field', () => {
    expect(parseLocationSettings(join('a,b', 'https://i', '5', 'models  chat', ''))).toEqual({
      jwt: { audiences: ['a', 'b'], issuers: ['https://i'], leewaySeconds: 5 },
      requiredScopes: ['models', 'chat'],
      requiredScope: 'models  chat',
    });
  });

  it.each(['', 'abc', '-1', '1.5', '99999'])('faults the leeway %j', (leeway) => {
    expect(parseLocationSettings(join('', '', leeway, '', ''))).toHaveProperty('fault');
  });

  it('faults a setting with a line feed', () => {
    expect(parseLocationSettings(join('a\nb', '', '30', '', ''))).toHaveProperty('fault');
  });

  it('faults a remote JWKS without issuer and audience, and takes the word any', () => {
    expect(parseLocationSettings(join('a', '', '30', '', 'https://x'))).toHaveProperty('fault');
    expect(parseLocationSettings(join('', 'i', '30', '', 'https://x'))).toHaveProperty('fault');
    expect(parseLocationSettings(join('any', 'any', '30', '', 'https://x'))).toMatchObject({
      jwt: { audiences: 'any', issuers: 'any' },
    });
  });
});

describe('parseList', () => {
  it('takes only an unset text and the word any for any value', () => {
    expect(parseList('')).toBe('any');
    expect(parseList('any')).toBe('any');
    expect(parseList(',')).toEqual([]);
    expect(parseList('any,b')).toEqual(['any', 'b']);
    expect(parseList(' a , b ')).toEqual(['a', 'b']);
  });
});
