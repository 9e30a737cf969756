// Certificates that clients show to nginx, and the authority that vouches for them.

import { X509Certificate } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';

export interface ClientCertificate {
  cert: string;
  key: string;
  /** SHA-256 of the DER in base64url. */
  thumbprint: string;
  /** The certificate in a single line, as a proxy would put it into a header. */
  escaped: string;
}

export interface Issuing {
  /** The common name; an organisation, "Example Ltd", stands beside it. */
  name: string;
  endsInMs?: number;
  /** How many alternative names of about 30 bytes it has. */
  names?: number;
}

export interface ClientAuthority {
  /** Path of the authority's certificate. */
  caFile: string;
  issue: (issuing: Issuing) => Promise<ClientCertificate>;
}

const dayMs = 86400000;
const ec = { keyType: 'ec' as const, curve: 'P-256' as const, algorithm: 'sha256' as const };

/** Makes an authority. */
export async function makeClientAuthority(name: string): Promise<ClientAuthority> {
  const extensions = [{ name: 'basicConstraints' as const, cA: true, critical: true }];
  const ca = await generate([{ name: 'commonName', value: name }], { ...ec, extensions });
  const caFile = join(mkdtempSync(join(tmpdir(), 'keygate-clients-')), 'ca.crt');
  writeFileSync(caFile, ca.cert);
  return { caFile, issue: (issuing) => issueBy({ key: ca.private, cert: ca.cert }, issuing) };
}

/** Makes a certificate that nobody vouches for. */
export function selfSigned(issuing: Issuing): Promise<ClientCertificate> {
  return issueBy(undefined, issuing);
}

async function issueBy(ca: { key: string; cert: string } | undefined, issuing: Issuing): Promise<ClientCertificate> {
  const { name, endsInMs = dayMs, names = 0 } = issuing;
  const altNames = Array.from({ length: names }, (_, i) => ({
    type: 2 as const,
    value: `client-${i}.clients.example.org`,
  }));
  const subject = [
    { name: 'organizationName', value: 'Example Ltd' },
    { name: 'commonName', value: name },
  ];
  const made = await generate(subject, {
    ...ec,
    ...(ca && { ca }),
    extensions: [
      { name: 'basicConstraints', cA: false },
      ...(names > 0 ? [{ name: 'subjectAltName' as const, altNames }] : []),
    ],
    notBeforeDate: new Date(Date.now() - 2 * dayMs),
    notAfterDate: new Date(Date.now() + endsInMs),
  });
  const digest = new X509Certificate(made.cert).fingerprint256.replaceAll(':', '');
  return {
    cert: made.cert,
    key: made.private,
    thumbprint: Buffer.from(digest, 'hex').toString('base64url'),
    escaped: encodeURIComponent(made.cert),
  };
}
