// The full gateway for a test: nginx of one variant, the real sidecar, an upstream that remembers.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { findNginx } from '../../../nginx/runtime/find_nginx.js';
import { renderGateway, type GatewayFacts, type RenderedGateway } from '../../../nginx/gateway/render.js';
import { snippetFiles } from '../../../nginx/snippet_files.js';
import { readProviderLines } from '../../../settings/providers_file.js';
import { readSettings } from '../../../settings/read.js';
import { loadSecret, verifierSecretPath } from '../../../node/state_files.js';
import { auditLines, faultsOf, type AuditLine } from './audit_log.js';
import { testCertificate } from './certificate.js';
import { freePort } from './free_port.js';
import { spawnNginx, type RunningNginx } from './nginx_process.js';
import { startSidecar, type RunningSidecar } from './sidecar_process.js';
import { startUpstream, type TestUpstream } from './upstream.js';
import type { Variant } from './variants.js';
import { send, type Answered, type Sending } from './client.js';

export interface GatewayOptions {
  variant: Variant;
  /** Settings of the contract; limits are off unless they are named. */
  env?: { [name: string]: string };
  /** Content of the key file; absent: no file. */
  keys?: string;
  /** Files below STATE_DIR that are there before the start, by path. */
  state?: { [path: string]: string };
  /** Changes to rendered files, by path. */
  edit?: { [path: string]: (content: string) => string };
  upstream?: TestUpstream;
  /** A gateway with the same settings and keys whose STATE_DIR and sidecar this one uses as well: another nginx. */
  beside?: Gateway;
  /** Whether to start the sidecar; true by default. */
  sidecar?: boolean;
  workers?: number;
  /** Where the decision server listens; a Unix socket by default. */
  decision?: string;
  openFiles?: number;
  /** Changes what runs nginx: program and first arguments. */
  command?: (command: string[]) => string[];
  /** Where nginx asks for names: `address:port`. */
  resolver?: string;
  /** An operator's own nginx.conf in the place of ours, listening for plain HTTP. */
  conf?: (places: OperatorPlaces) => string;
}

/** What an operator's nginx.conf needs to know in a test. */
export interface OperatorPlaces {
  port: number;
  /** Logs and temporary files go here; the configuration is in its folder nginx/. */
  dir: string;
  facts: GatewayFacts;
}

export interface Gateway {
  url: string;
  dir: string;
  keysFile: string;
  stateDir: string;
  upstream: TestUpstream;
  nginx: RunningNginx;
  sidecar: RunningSidecar | undefined;
  /** Starts the sidecar again, after it was killed. */
  startSidecar: () => Promise<void>;
  send: (path: string, sending?: Sending) => Promise<Answered>;
  errorLog: () => string;
  accessLog: () => string;
  /** The lines of the audit log; not with a configuration of an operator. */
  audited: () => AuditLine[];
  /** Throws where a line of the audit log is not as docs/audit.schema.json says. */
  stop: () => Promise<void>;
}

const root = join(import.meta.dirname, '../../..');
const limitsOff = { RATE_LIMIT_API: 'off', RATE_LIMIT_AUTH: 'off', METRICS_PORT: 'off' };

/** Starts a gateway and waits until its keys are taken up. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const dir = mkdtempSync(join(tmpdir(), 'keygate-gateway-'));
  const home = options.beside;
  const stateDir = home?.stateDir ?? join(dir, 'state');
  const keysFile = join(stateDir, 'keys', 'api_keys.txt');
  for (const part of ['keys', 'public', 'run']) mkdirSync(join(stateDir, part), { recursive: true });
  if (options.keys !== undefined) writeFileSync(keysFile, options.keys);
  for (const [path, content] of Object.entries(options.state ?? {})) writeIn(stateDir, path, content);
  const upstream = options.upstream ?? (await startUpstream());
  const port = await freePort();
  const env = { ...limitsOff, STATE_DIR: stateDir, UPSTREAM_URL: upstream.url, ...options.env };
  const all = { API_KEYS_FILE: keysFile, LISTEN_PORT: String(port), ...env };
  const socket = join(stateDir, 'run', 'verifier.sock');
  const hasSidecar = options.sidecar !== false && home === undefined;
  let sidecar = hasSidecar ? await startSidecar({ env: all, socket }) : undefined;
  const facts = await gatewayFacts(options, {
    dir,
    stateDir,
    socket,
    upstreamUrl: all.UPSTREAM_URL,
  });
  const settings = readSettings(all);
  const lines = readProviderLines(settings);
  const rendered = renderGateway(settings, { ...facts, ...lines });
  if (options.conf !== undefined) {
    makeEmbedded(rendered.files, { ...facts, ...lines, credentialHeaders: settings.credentialHeaders });
    rendered.files['nginx.conf'] = options.conf({ port, dir, facts });
  }
  for (const [path, edit] of Object.entries(options.edit ?? {})) {
    rendered.files[path] = edit(rendered.files[path] ?? '');
  }
  for (const [path, content] of Object.entries(rendered.files)) writeIn(join(dir, 'nginx'), path, content);
  const scheme = options.conf === undefined ? 'https' : 'http';
  const url = `${scheme}://127.0.0.1:${port}`;
  const place = {
    dir,
    port,
    env: all,
    scheme,
    ...(options.command && { command: options.command }),
  } as const;
  const nginx = await spawnNginx(options.variant, place).catch(async (error) => {
    await sidecar?.stop(); // a test may want nginx to refuse its configuration
    throw error;
  });
  return {
    url,
    dir,
    keysFile,
    stateDir,
    upstream,
    nginx,
    get sidecar() {
      return sidecar;
    },
    startSidecar: async () => {
      sidecar = await startSidecar({ env: all, socket });
    },
    send: (path, sending) => send(url, path, sending),
    errorLog: () => readFileSync(join(dir, 'error.log'), 'utf8'),
    accessLog: () => readFileSync(join(dir, 'access.log'), 'utf8'),
    audited: () => auditLines(readFileSync(join(dir, 'access.log'), 'utf8')),
    stop: async () => {
      await nginx.stop();
      const faults = options.conf === undefined ? faultsOf(join(dir, 'access.log')) : [];
      await sidecar?.stop();
      if (options.upstream === undefined) await upstream.close();
      rmSync(dir, { recursive: true, force: true });
      if (faults.length > 0) throw new Error(`faulty lines of the audit log:\n${faults.slice(0, 10).join('\n')}`);
    },
  };
}

// What differs where an operator includes the snippets: everything but the places in settings.conf is as shipped.
function makeEmbedded(files: RenderedGateway['files'], facts: GatewayFacts): void {
  const settings = files['keygate/settings.conf'] as string;
  delete files['keygate/refusal_headers.conf'];
  for (const [name, text] of Object.entries(snippetFiles(facts))) files[`keygate/${name}`] = text;
  files['keygate/settings.conf'] = settings
    .replace(/(\$keygate_hide_token_route) "on"/, '$1 "off"')
    .replace(/(\$keygate_identity_headers) "drop"/, '$1 "refuse"');
}

interface Places {
  dir: string;
  stateDir: string;
  socket: string;
  upstreamUrl: string;
}

async function gatewayFacts(options: GatewayOptions, places: Places): Promise<GatewayFacts> {
  const { variant } = options;
  const runtime = await findNginx(variant.runtime);
  const { dir, stateDir } = places;
  const certificate = await testCertificate();
  mkdirSync(join(dir, 'temp'), { recursive: true });
  return {
    sourceDir: join(root, 'nginx'),
    distDir: join(root, 'dist'),
    runDir: dir,
    tempDir: join(dir, 'temp'),
    modulePath: runtime.modulePath,
    engine: variant.engine,
    nginxVersion: runtime.nginxVersion,
    decisionAddress: options.decision ?? `unix:${join(dir, 'decision.sock')}`,
    decisionSecret: 'secret0of0the0tests',
    openFiles: options.openFiles ?? 4096,
    guard: variant.entry,
    userDirective: process.getuid?.() === 0 ? 'user root;' : '',
    certificate: certificate.certificate,
    certificateKey: certificate.key,
    metricsAddress: '127.0.0.1',
    upstreamUrl: places.upstreamUrl,
    stateDir,
    sidecarAddress: options.env?.['VERIFIER_LISTEN'] ?? `unix:${places.socket}`,
    sidecarSecret:
      options.env?.['VERIFIER_LISTEN'] === undefined ? undefined : loadSecret(verifierSecretPath(stateDir), 0o600),
    errorLog: join(dir, 'error.log'),
    accessLog: join(dir, 'access.log'),
    workers: String(options.workers ?? 1),
    resolver: options.resolver ?? '127.0.0.1',
    caFile: certificate.certificate,
  };
}

function writeIn(dir: string, path: string, content: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), content);
}
