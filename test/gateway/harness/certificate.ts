// A certificate for tests, made once a test file by the code that makes the one of `npm start`.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificate, type CertificateFiles } from '../../../launcher/certificate.js';

let made: Promise<CertificateFiles> | undefined;

export function testCertificate(): Promise<CertificateFiles> {
  made ??= ensureCertificate(mkdtempSync(join(tmpdir(), 'keygate-certificate-')));
  return made;
}
