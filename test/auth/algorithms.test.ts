// An attacker who names an algorithm that nobody meant to accept.

import { expect, it } from 'vitest';
import { algorithms, isAlgorithm } from '../../auth/algorithms.js';

it('accepts the ten algorithms of the contract, one of them by two names, and nothing else', () => {
  const names = ['RS', 'PS', 'ES'].flatMap((family) => ['256', '384', '512'].map((size) => family + size));
  expect(Object.keys(algorithms).sort()).toEqual([...names, 'EdDSA', 'Ed25519'].sort());
  for (const name of ['none', 'HS256', 'rs256', 'Ed448', 'ed25519', 'constructor', '', ['RS256'], null, 1])
    expect(isAlgorithm(name)).toBe(false);
});
