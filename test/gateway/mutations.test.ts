// 20,000 random mutations of headers and tokens on each combination: none admitted, no 5xx, no worker lost.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Choices, makeKeyPair, signTexts, type KeyPair } from '../properties/token_generator.js';
import { sendPipelined } from './harness/client.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { inSeconds } from './harness/tokens.js';
import { variants } from './harness/variants.js';

const total = 20000;
const batch = 40; // requests on one connection
const goodKey = 'kg_Ab3dE6gH_goodkeygoodkeygoodkeygoodkeygoodkeygoodkey';
const pairs: KeyPair[] = ['RS256', 'ES256', 'PS256', 'ES512'].map((alg) => makeKeyPair(alg));

const validTokens = pairs.flatMap((pair) =>
  Array.from({ length: 20 }, (_, n) => {
    const claims = { sub: 'alice', iss: 'https://issuer.example', exp: inSeconds(1800), n };
    return signTexts(JSON.stringify({ alg: pair.alg, kid: pair.kid }), JSON.stringify(claims), pair);
  }),
);

const anyByte = (choose: Choices) => String.fromCharCode(choose.of([choose.below(256), 0x20 + choose.below(95)]));

// Changed in one to four places; white space at the ends or a scheme before it would change nothing.
function mutate(text: string, choose: Choices): string {
  let mutated = text;
  for (let n = choose.below(4); n >= 0; n--) {
    const at = choose.below(mutated.length);
    const rest = [mutated.slice(0, at), mutated.slice(at)] as [string, string];
    const byte = anyByte(choose).replace(/[\r\n]/, '.');
    mutated = choose.of([
      rest[0] + byte + rest[1],
      rest[0] + byte + rest[1].slice(1),
      rest[0] + rest[1].slice(1 + choose.below(40)),
      rest[0] + rest[1].slice(0, 50) + rest[1],
      rest[0] + choose.of(['.', '..', ',', ', ', '=', '%2e', ' ', '\t', '{}', 'Bearer ', '\x00']) + rest[1],
      rest[0].toUpperCase() + rest[1],
    ]);
  }
  const isSame = mutated.replace(/^[ \t]*(?:bearer )?[ \t]*|[ \t]+$/gi, '') === text;
  return isSame || mutated === '' ? `${text}x` : mutated;
}

// Only the mutated credential: beside a good one in another header a request may be admitted rightly.
function headersOf(credential: string, choose: Choices): string {
  const scheme = choose.of(['Bearer ', 'bearer ', 'BEARER  ', 'Bearer\t', 'Basic ', '', 'Bearer Bearer ', 'Token ']);
  const name = choose.of(['Authorization', 'authorization', 'x-api-key', 'X-API-KEY', 'api-key', 'Api-Key']);
  const value = name.toLowerCase() === 'authorization' ? scheme + credential : credential;
  const line = `${name}: ${value}\r\n`;
  return choose.of([
    line,
    line,
    line,
    line + line,
    `${line}x-api-key: \r\n`,
    `${line}x-api-key: other\r\n`,
    `Authorization: Basic eDp5\r\n${line}`,
    `${line}X_Api_Key: ${credential}\r\n`,
    `X-Auth-User: root\r\n${line}`,
  ]);
}

function request(choose: Choices): string {
  const good = choose.below(4) === 0 ? goodKey : choose.of(validTokens);
  const target = choose.of(['/v1/models', '/', '/v1/x?y=z', '/a/../b', '/%2e%2e/x']);
  const method = choose.of(['GET', 'GET', 'POST', 'OPTIONS', 'DELETE']);
  const body = method === 'POST' ? 'Content-Length: 2\r\n\r\n{}' : '\r\n';
  return `${method} ${target} HTTP/1.1\r\nHost: localhost\r\n${headersOf(mutate(good, choose), choose)}${body}`;
}

describe.each(variants)('$name: mutated requests', (variant) => {
  let gateway: Gateway;

  beforeAll(async () => {
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, JSON.stringify({ keys: pairs.map((pair) => pair.jwk) }));
    const env = { JWKS_PATH: jwksPath, JWT_ISSUER: 'https://issuer.example' };
    gateway = await startGateway({ variant, env, keys: `${goodKey}\n` });
  });

  afterAll(() => gateway?.stop());

  it('are refused as the mistakes that they are', async () => {
    const choose = new Choices(variants.indexOf(variant) + 1);
    const statuses: { [status: number]: number } = {};
    let answered = 0;
    const client = async () => {
      while (answered < total) {
        const requests = Array.from({ length: batch }, () => request(choose));
        for (const status of await sendPipelined(gateway.url, requests)) {
          statuses[status] = (statuses[status] ?? 0) + 1;
          answered++;
        }
      }
    };
    await Promise.all([client(), client(), client(), client()]);
    expect(Object.keys(statuses).sort(), JSON.stringify(statuses)).toEqual(['400', '401']);
    expect(gateway.upstream.arrived).toEqual([]);
    expect(gateway.errorLog()).not.toMatch(/exited on signal|internal_error|no decision|\[emerg\]|\[alert\]/);
    const good = await gateway.send('/', { headers: { 'x-api-key': goodKey } });
    expect(good.status).toBe(200);
  }, 240000);
});
