// The gateway's certificate: the operator's, checked, or a self-signed one for trying it out on loopback.

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { writeAtomically } from '../node/state_files.js';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { Fault } from '../node/fault.js';
import type { Settings } from '../settings/read.js';

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

/** The operator's certificate, checked; or a self-signed one under STATE_DIR. */
export async function findCertificate(settings: Settings): Promise<CertificateFiles> {
  const { hostCertsDir, stateDir } = settings;
  if (hostCertsDir === undefined) return ensureCertificate(join(stateDir, 'certs'));
  const files = { certificate: join(hostCertsDir, 'copilot.crt'), key: join(hostCertsDir, 'copilot.key') };
  for (const path of [files.certificate, files.key]) {
    if (!existsSync(path))
      throw new Fault(
        `HOST_CERTS_DIR: ${path} is missing: put it there, or unset HOST_CERTS_DIR for a self-signed certificate`,
      );
  }
  if (!doMatch(files))
    throw new Fault(
      'HOST_CERTS_DIR: copilot.key is not the key of copilot.crt in ' +
        `${hostCertsDir}, or one of them can't be read: replace them`,
    );
  return files;
}

function doMatch({ certificate, key }: CertificateFiles): boolean {
  try {
    return new X509Certificate(readFileSync(certificate)).checkPrivateKey(createPrivateKey(readFileSync(key)));
  } catch {
    return false;
  }
}
