// The same tokens that the differential test of auth/ judges on Node, sent to a real nginx: same verdict, same reason.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseJwks, type Jwks } from '../../auth/jwk.js';
import { decideToken } from '../../auth/token_verdict.js';
import { nodePlatform } from '../../node/crypto.js';
import { trustedKeys, unnamed } from '../auth/trusted_keys.js';
import { audience, generateTokens, issuer, makeKeyRing, type Generated } from '../properties/token_generator.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { variants } from './harness/variants.js';

const ring = makeKeyRing();
const jwksText = JSON.stringify({ keys: ring.trusted.map((pair) => pair.jwk) });
const isTokenShaped = (token: string) => token.split('.').length === 3;
const isHeaderSafe = (token: string) => /^[\x21-\x7e]+$/.test(token);

function sample(count: number): Generated[] {
  const nowSeconds = Math.floor(Date.now() / 1000) + 5; // in the middle of the test
  const tokens: Generated[] = [];
  for (const one of generateTokens(ring, { seed: 7520, count: count * 2, nowSeconds })) {
    if (isTokenShaped(one.token) && isHeaderSafe(one.token)) tokens.push(one);
  }
  return tokens.slice(0, count);
}

async function judge(token: string): Promise<string> {
  const verdict = await decideToken({
    token,
    nowSeconds: Date.now() / 1000,
    settings: { issuers: [issuer], audiences: [audience], leewaySeconds: 30 },
    keys: trustedKeys({ unnamed: unnamed(...(parseJwks(jwksText, nodePlatform) as Jwks).keys) }),
    platform: nodePlatform,
  });
  return verdict.admitted ? '' : verdict.reason;
}

describe.each(variants)('$name: 500 tokens', (variant) => {
  let gateway: Gateway;

  beforeAll(async () => {
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksText);
    const env = { JWKS_PATH: jwksPath, JWT_ISSUER: issuer, JWT_AUDIENCE: audience };
    gateway = await startGateway({ variant, env, keys: '# none\n' });
  });

  afterAll(() => gateway?.stop());

  it('get the verdict and the reason that auth/ gives on Node', async () => {
    const tokens = sample(500);
    expect(tokens).toHaveLength(500);
    const statuses: number[] = [];
    for (const [i, { token }] of tokens.entries()) {
      const headers = { authorization: `Bearer ${token}`, 'x-request-id': `token-${i}` };
      statuses.push((await gateway.send('/v1/models', { headers })).status);
    }
    await expect.poll(() => gateway.accessLog()).toContain('"token-499"');
    const reasons = new Map(
      [...gateway.accessLog().matchAll(/"request_id":"token-(\d+)".*?"reason":"(\w*)"/g)].map(([, i, reason]) => [
        Number(i),
        reason,
      ]),
    );
    const differing: object[] = [];
    for (const [i, one] of tokens.entries()) {
      const onNode = await judge(one.token);
      const isAlike = reasons.get(i) === onNode && statuses[i] === (onNode === '' ? 200 : 401);
      if (!isAlike) differing.push({ ...one, onNode, status: statuses[i], inNginx: reasons.get(i) });
    }
    expect(differing).toEqual([]);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(40);
  }, 120000);
});
