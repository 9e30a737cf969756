// Files under STATE_DIR: whole or not at all, and readable by the sidecar whoever wrote them.

import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { writeSigningKeys } from '../../verifier/signing/stored_keys.js';
import { loadSecret, writeAtomically } from '../../node/state_files.js';

const isRoot = process.getuid?.() === 0;
const sidecar = isRoot ? 54321 : (process.getuid?.() as number);
let dir = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keygate-state-'));
});

describe('writeAtomically', () => {
  it('replaces a file and leaves nothing beside it', () => {
    writeAtomically(join(dir, 'a', 'file'), 'one', 0o640);
    writeAtomically(join(dir, 'a', 'file'), 'two', 0o640);
    expect(readFileSync(join(dir, 'a', 'file'), 'utf8')).toBe('two');
    expect(statSync(join(dir, 'a', 'file')).mode & 0o777).toBe(0o640);
    expect(readdirSync(join(dir, 'a'))).toEqual(['file']);
  });

  it('leaves nothing beside a place that can not be written', () => {
    mkdirSync(join(dir, 'taken', 'by a folder'), { recursive: true });
    expect(() => writeAtomically(join(dir, 'taken'), 'x', 0o640)).toThrow();
    expect(readdirSync(dir)).toEqual(['taken']);
  });

  it('gives what root writes to the owner of the folder or of the file that was there', () => {
    for (const part of ['signing', 'public']) {
      mkdirSync(join(dir, part));
      if (isRoot) chownSync(join(dir, part), sidecar, sidecar);
    }
    for (let i = 0; i < 2; i++) {
      writeSigningKeys(dir, []);
      expect(statSync(join(dir, 'signing', 'signing_keys.json')).uid).toBe(sidecar);
      expect(statSync(join(dir, 'public', 'jwks.json')).uid).toBe(sidecar);
      if (isRoot) chownSync(join(dir, 'signing'), 0, 0); // the file's owner counts from now on
    }
  });
});

describe('loadSecret', () => {
  it('makes a secret once', () => {
    const secret = loadSecret(join(dir, 'secret'), 0o640);
    expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(loadSecret(join(dir, 'secret'), 0o640)).toBe(secret);
  });
});
