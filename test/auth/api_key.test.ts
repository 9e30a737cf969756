import { expect, it } from 'vitest';
import { checkKeyForm, parseKeyId } from '../../auth/credential.js';

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
