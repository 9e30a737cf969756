// A new API key: `kg_<id>_<secret>`, and the line of the key file that admits it.

import { randomInt } from 'node:crypto';
import { hash } from '@node-rs/bcrypt';
import { idCharacters, maxBcryptBytes, secretCharacters } from '../../auth/credential.js';
import { isKeyName, parseKeyLine } from '../../auth/key_line.js';
import { nodePlatform } from '../../node/crypto.js';
import { Fault } from '../../node/fault.js';

export interface KeyAttributes {
  expires?: string;
  scope?: string;
  rate?: string;
  burst?: string;
  bcrypt?: boolean;
}

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const bcryptCost = 12;

/** Makes a key: an id of 8 characters and a secret of 43 (256 bits). */
export function makeKey(): { key: string; id: string } {
  const id = randomBase62(idCharacters);
  return { key: `kg_${id}_${randomBase62(secretCharacters)}`, id };
}

function randomBase62(length: number): string {
  return Array.from({ length }, () => alphabet.charAt(randomInt(alphabet.length))).join('');
}

/**
 * Hashes a key.
 * @throws Fault for a key that bcrypt would cut, that no header can carry, or that has the form of a JWT
 */
export async function hashKey(key: string, useBcrypt: boolean): Promise<string> {
  if (!/^[\x21-\x7e]+$/.test(key)) throw new Fault('a key has only printable ASCII characters and no space');
  if (key.split('.').length === 3) throw new Fault('a key with exactly two dots would be taken for a JWT');
  if (!useBcrypt) return `$sha256$${nodePlatform.sha256(key)}`;
  if (key.length > maxBcryptBytes)
    throw new Fault(
      `bcrypt sees only ${maxBcryptBytes} bytes of a key`,
      'leave --bcrypt out: a long random key needs no slow hash',
    );
  const hashed = await hash(key, bcryptCost);
  return hashed.replace(/^\$2[axy]\$/, '$2b$');
}

/**
 * Puts a line together.
 * @throws Fault when a key file may not have such a name or attribute
 */
export function formatLine(name: string, hashed: string, attributes: KeyAttributes & { id?: string }): string {
  if (!isKeyName(name)) throw new Fault('the name may have letters, digits and . _ @ + - and 128 characters');
  const words = [`${name}:${hashed}`];
  if (attributes.id !== undefined) words.push(`id=${attributes.id}`);
  if (attributes.expires !== undefined) words.push(`expires=${attributes.expires}`);
  if (attributes.scope !== undefined) words.push(`scope=${attributes.scope.trim().replace(/[\s,]+/g, ',')}`);
  if (attributes.rate !== undefined) words.push(`rate=${attributes.rate}`);
  if (attributes.burst !== undefined) words.push(`burst=${attributes.burst}`);
  const line = words.join(' ');
  const parsed = parseKeyLine(line, 1, nodePlatform);
  if ('problem' in parsed) throw new Fault(parsed.problem);
  if (parsed.name !== name) throw new Fault('the name may have letters, digits and . _ @ + - and 128 characters');
  return line;
}

export const demoComment = '# The demo key that npm start made. `keygate key new NAME` takes it out; so may you.';

/** The line below that comment. */
export const demoLine = /^demo:\$sha256\$\S+$/;

/** A key file's text without the demo key. */
export function withoutDemoKey(text: string): string {
  const lines = text.split('\n');
  if (!lines.includes(demoComment)) return text;
  return lines.filter((line) => line !== demoComment && !demoLine.test(line)).join('\n');
}
