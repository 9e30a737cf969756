// An attacker, or a careless issuer, whose token holds what is no JSON: every engine reads it as Node.js does.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { sign } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportPKCS8 } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGateway, type Gateway } from './harness/gateway.js';
import { jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { variants } from './harness/variants.js';

const claims = '"iss":"https://issuer.example","sub":"alice"';
const exp = '"exp":1900000000';

const payloads: [string, number][] = [
  [`{${claims},${exp}}`, 200],
  [` {\n\t${claims} , ${exp}\r\n} `, 200],
  [`{${claims},"exp":1.9e9}`, 200],
  [`{${claims},"exp":19E+8}`, 200],
  [`{${claims},${exp},"a":[true,false,null,-0,"\\u00e9\\n"]}`, 200],
  [`{${claims},${exp},"b":{"c":[[{}]]}}`, 200],
  ...[
    `{${claims},"exp":+1900000000}`,
    `{${claims},"exp":01900000000}`,
    `{${claims},"exp":1900000000.}`,
    `{${claims},"exp":.19e10}`,
    `{${claims},"exp":0x713fb300}`,
    `{${claims},"exp":1_900_000_000}`,
    `{${claims},"exp":1900000000n}`,
    `{${claims},"exp":Infinity}`,
    `{${claims},${exp},}`,
    `{${claims},,${exp}}`,
    `{${claims} ${exp}}`,
    `{${claims},'exp':1900000000}`,
    `{${claims},exp:1900000000}`,
    `{${claims},${exp},"a":NaN}`,
    `{${claims},${exp},"a":-}`,
    `{${claims},${exp},"a":1e}`,
    `{${claims},${exp},"a":"\t"}`,
    `{${claims},${exp},"a":"\\x41"}`,
    `{${claims},${exp},"a":"\\u12"}`,
    `{${claims},${exp},"a":[1,]}`,
    `{${claims},${exp},"a":True}`,
    `{${claims},${exp}}//`,
    `/**/{${claims},${exp}}`,
    `{${claims},${exp}}{}`,
    `{${claims},\u00a0${exp}}`,
    `\ufeff{${claims},${exp}}`,
    `[{${claims},${exp}}]`,
    `{${claims},${exp}`,
  ].map((text): [string, number] => [text, 401]),
];

describe.each(variants)('$name: JSON in tokens', (variant) => {
  let gateway: Gateway;
  let signer: Signer;
  let pem = '';

  beforeAll(async () => {
    signer = await makeSigner('ES256', 'one');
    pem = await exportPKCS8(signer.privateKey);
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(signer));
    gateway = await startGateway({ variant, env: { JWKS_PATH: jwksPath, JWT_ISSUER: 'https://issuer.example' } });
  });

  afterAll(() => gateway?.stop());

  const encode = (text: string) => Buffer.from(text).toString('base64url');
  const statusOf = async (header: string, payload: string) => {
    const input = `${encode(header)}.${encode(payload)}`;
    const signature = sign('sha256', Buffer.from(input), { key: pem, dsaEncoding: 'ieee-p1363' });
    const authorization = `Bearer ${input}.${signature.toString('base64url')}`;
    return (await gateway.send('/', { headers: { authorization } })).status;
  };

  it.each(payloads)('%j is answered with %i', async (payload, expected) => {
    expect(expected === 200, 'Node.js says so').toBe(isObject(payload));
    expect(await statusOf('{"alg":"ES256","kid":"one"}', payload)).toBe(expected);
  });

  it.each(['{"alg":"ES256","kid":"one",}', "{'alg':'ES256','kid':'one'}", '{"alg":"ES256","kid":"one","n":+1}'])(
    'a header %j is refused',
    async (header) => {
      expect(await statusOf(header, `{${claims},${exp}}`)).toBe(401);
    },
  );
});

function isObject(text: string): boolean {
  try {
    return !Array.isArray(JSON.parse(text));
  } catch {
    return false;
  }
}
