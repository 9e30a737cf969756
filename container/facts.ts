// What is where in the containers. docker-compose.yml and the Dockerfiles name the same paths.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { CertificateFiles } from '../launcher/certificate.js';
import { sharedFacts } from '../launcher/facts.js';
import type { GatewayFacts } from '../nginx/gateway/render.js';
import type { Engine } from '../nginx/versions.js';
import type { Settings } from '../settings/read.js';
import { loadSecret } from '../node/state_files.js';
import type { PodFacts } from './pod.js';

/** Where `check` and `setup` write what nginx finds in /etc/nginx. */
export const configurationDir = '/etc/keygate/nginx';

/** The lowest versions in the nginx image (container/nginx/Dockerfile, check_nginx.sh). */
export const containerVersions = { nginx: '1.27.4', njs: '1.0.1' };

/** The engine of the nginx container. */
export function containerEngine({ jsEngine }: Settings): Engine {
  return jsEngine === 'auto' ? 'qjs' : jsEngine;
}

/** Readable for the group that nginx and the verifier share. */
export const fileMode = 0o640;

/** A new key, made from the folder of docker-compose.yml. */
export const newKeyCommand = 'docker compose run --rm verifier keygate key new NAME';

/** The upstream: UPSTREAM_URL, or copilot-api with a token, or the stand-in. */
export function chooseUpstream(settings: Settings, hasCopilot: boolean): string {
  return settings.upstreamUrl ?? (hasCopilot ? 'http://copilot-api:4141' : 'http://demo-upstream:8080');
}

export interface Found {
  certificate: CertificateFiles;
  upstreamUrl: string;
  pod: PodFacts;
}

/** The facts of the nginx container. */
export function containerFacts(settings: Settings, { certificate, upstreamUrl, pod }: Found): GatewayFacts {
  return {
    ...sharedFacts(settings, certificate, upstreamUrl),
    runDir: '/tmp',
    tempDir: '/tmp',
    modulePath: '/usr/lib/nginx/modules/ngx_http_js_module.so',
    engine: containerEngine(settings),
    nginxVersion: containerVersions.nginx,
    decisionAddress: '127.0.0.1:9147', // reachable inside the container alone
    decisionSecret: decisionSecret(),
    userDirective: '',
    errorLog: 'stderr',
    accessLog: '/dev/stdout',
    isProbed: true,
    metricsAddress: settings.listenAddress, // Compose publishes no such port: other containers alone can ask
    metricsHosts: ['nginx', 'keygate', ...pod.metricsHosts],
    isCertificateMoving: pod.isReloadedOnChange,
    workers: String(pod.workers),
    resolver: pod.resolver,
    isUpstreamMoving: isServiceName(new URL(upstreamUrl).hostname),
    caFile: '/etc/ssl/certs/ca-certificates.crt',
  };
}

// extra_hosts go to /etc/hosts, which nginx reads at its start only.
function isServiceName(host: string): boolean {
  return host !== 'host.docker.internal' && !/^[\d.]+$|^\[/.test(host);
}

// The secret is the same after each reload: for a moment workers of both configurations ask and answer.
function decisionSecret(): string {
  const secret = loadSecret(join(configurationDir, 'decision_secret'), 0o600);
  return createHash('sha256').update(secret).digest('hex').slice(0, 32);
}
