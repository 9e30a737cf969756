// A self-signed certificate for a gateway that was given none: for trying it out, on loopback.

import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { writeAtomically } from '../node/state_files.js';

export interface CertificateFiles {
  certificate: string;
  key: string;
}

const days = 825; // what clients accept at most

/** Makes `copilot.crt` and `copilot.key` in a folder, unless they are there. */
export async function ensureCertificate(dir: string): Promise<CertificateFiles> {
  const files = { certificate: join(dir, 'copilot.crt'), key: join(dir, 'copilot.key') };
  if (existsSync(files.certificate) && existsSync(files.key)) return files;
  mkdirSync(dir, { recursive: true });
  const notAfterDate = new Date(Date.now() + days * 86400000);
  const altNames = [
    { type: 2 as const, value: 'localhost' },
    { type: 7 as const, ip: '127.0.0.1' },
    { type: 7 as const, ip: '::1' },
  ];
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notAfterDate,
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames },
    ],
  });
  writeAtomically(files.key, made.private, 0o600);
  writeAtomically(files.certificate, made.cert, 0o644);
  return files;
}
