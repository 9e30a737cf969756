// Somebody whose nginx or njs is old: versions compare by numbers, and js_access is refused where it can be bypassed.

import { describe, expect, it } from 'vitest';
import { checkJsAccess, enginesOf, isAtLeast, oldestNjs } from '../../nginx/versions.js';

describe('isAtLeast', () => {
  it.each([
    ['1.30.6', '1.30.6', true],
    ['1.30.10', '1.30.9', true],
    ['1.9.9', '1.30.0', false],
    ['2.0.0', '1.30.6', true],
    ['1.30', '1.30.6', false],
    ['1.30.6', '1.30', true],
  ])('compares %s with %s by numbers: %s', (version, least, expected) => {
    expect(isAtLeast(version, least)).toBe(expected);
  });
});

describe('checkJsAccess', () => {
  it.each([
    ['0.8.9', 'qjs', 'needs njs 1.0.1 or newer'],
    ['0.9.9', 'qjs', 'CVE-2026-18329'],
    ['1.0.0', 'qjs', 'not njs 1.0.0'],
    ['1.0.2', 'njs', 'needs the engine qjs, not njs'],
  ] as const)('refuses njs %s with the engine %s', (njsVersion, engine, why) => {
    expect(checkJsAccess({ njsVersion, engine })).toContain(why);
  });

  it('takes the first njs without the bypass, on QuickJS', () => {
    expect(checkJsAccess({ njsVersion: '1.0.1', engine: 'qjs' })).toBeUndefined();
  });
});

describe('enginesOf', () => {
  it('has QuickJS first from njs 1.0.0 on, and the old engine alone before', () => {
    expect(enginesOf('1.0.0')).toEqual(['qjs', 'njs']);
    expect(enginesOf(oldestNjs)).toEqual(['njs']);
  });
});
