// A certificate authority for tests, with a certificate for a server on loopback and one for a client.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';

export interface Authority {
  /** The path of its certificate; the others are paths too. */
  ca: string;
  server: { cert: string; key: string; ca: string };
  client: { cert: string; key: string };
  /** Puts the certificates of another authority into the same files. */
  replace: () => Promise<void>;
}

export async function makeAuthority(): Promise<Authority> {
  const folder = mkdtempSync(join(tmpdir(), 'keygate-authority-'));
  const path = (name: string) => join(folder, name);
  const replace = async () => {
    for (const [name, content] of Object.entries(await makeFiles())) writeFileSync(path(name), content);
  };
  await replace();
  return {
    ca: path('ca.pem'),
    server: { cert: path('server.pem'), key: path('server.key'), ca: path('ca.pem') },
    client: { cert: path('client.pem'), key: path('client.key') },
    replace,
  };
}

async function makeFiles(): Promise<{ [name: string]: string }> {
  const common = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const;
  const named = (value: string) => [{ name: 'commonName', value }];
  const isAuthority = { name: 'basicConstraints' as const, cA: true };
  const ca = await generate(named('authority'), { ...common, extensions: [isAuthority] });
  const signed = { ...common, ca: { key: ca.private, cert: ca.cert } };
  const altNames = [{ type: 7 as const, ip: '127.0.0.1' }];
  const server = await generate(named('store'), {
    ...signed,
    extensions: [{ name: 'subjectAltName' as const, altNames }],
  });
  const client = await generate(named('node'), signed);
  return {
    'ca.pem': ca.cert,
    'server.pem': server.cert,
    'server.key': server.private,
    'client.pem': client.cert,
    'client.key': client.private,
  };
}
