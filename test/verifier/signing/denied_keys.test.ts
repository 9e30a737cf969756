// An admin who revokes the signing key of a node, on another node.

import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { dropDeniedKeys } from '../../../verifier/signing/denied_keys.js';
import {
  makeSigningKey,
  publicJwksPath,
  readSigningKeys,
  signingKeysPath,
  writeSigningKeys,
} from '../../../verifier/signing/stored_keys.js';

async function makeState(): Promise<{ stateDir: string; kids: string[] }> {
  const stateDir = mkdtempSync(join(tmpdir(), 'keygate-denied-'));
  const jwks = [await makeSigningKey('ES256'), await makeSigningKey('ES256')];
  const states = ['active', 'retired'] as const;
  writeSigningKeys(
    stateDir,
    jwks.map((jwk, i) => ({ state: states[i] ?? 'retired', sinceSeconds: 0, jwk })),
  );
  return { stateDir, kids: jwks.map(({ kid = '' }) => kid) };
}

describe('dropDeniedKeys', () => {
  it('takes a denied key out and signs with a new one', async () => {
    const { stateDir, kids } = await makeState();
    expect(await dropDeniedKeys(stateDir, 'ES256', ['jti:x', `kid:${kids[0]}`, 'kid:of-another'])).toEqual([kids[0]]);
    const stored = readSigningKeys(stateDir);
    expect(stored.map(({ state }) => state).sort()).toEqual(['active', 'retired']);
    expect(stored.map(({ jwk }) => jwk.kid)).not.toContain(kids[0]);
    expect(readFileSync(publicJwksPath(stateDir), 'utf8')).not.toContain(kids[0]);
    expect(statSync(signingKeysPath(stateDir)).mode & 0o777).toBe(0o600);
  });

  it('changes nothing for the keys of others', async () => {
    const { stateDir } = await makeState();
    const before = statSync(signingKeysPath(stateDir));
    expect(await dropDeniedKeys(stateDir, 'ES256', ['kid:of-another'])).toEqual([]);
    expect(statSync(signingKeysPath(stateDir)).ino).toBe(before.ino);
  });
});
