// Facts of a gateway that are the same under `npm start` and in containers.

import { join } from 'node:path';
import type { GatewayFacts } from '../nginx/gateway/render.js';
import { formatSidecarAddress } from '../node/ask_sidecar.js';
import { loadSecret, verifierSecretPath } from '../node/state_files.js';
import type { Settings } from '../settings/read.js';
import type { CertificateFiles } from './certificate.js';
import { openFileLimit } from './machine.js';

const packageDir = join(import.meta.dirname, '..');

type SharedFacts = Pick<
  GatewayFacts,
  | 'sourceDir'
  | 'distDir'
  | 'openFiles'
  | 'guard'
  | 'certificate'
  | 'certificateKey'
  | 'upstreamUrl'
  | 'stateDir'
  | 'sidecarAddress'
  | 'sidecarSecret'
>;

/** Derives them from the settings; over TCP this makes the sidecar's secret where there is none yet. */
export function sharedFacts(settings: Settings, certificate: CertificateFiles, upstreamUrl: string): SharedFacts {
  const { sidecar, stateDir } = settings;
  return {
    sourceDir: join(packageDir, 'nginx'),
    distDir: join(packageDir, 'dist'),
    openFiles: openFileLimit(),
    guard: settings.authEntry === 'access' ? 'access' : 'auth_request',
    certificate: certificate.certificate,
    certificateKey: certificate.key,
    upstreamUrl,
    stateDir,
    sidecarAddress: formatSidecarAddress(sidecar),
    sidecarSecret: 'path' in sidecar ? undefined : loadSecret(verifierSecretPath(stateDir), 0o600),
  };
}
