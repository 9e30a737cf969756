// `npm start`: everything that a gateway needs, started in order and stopped together.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkProviderIssuers, findUnusableSources } from './sources.js';
import { loadEnvFile } from '../settings/env_file.js';
import { readSettings, type Settings } from '../settings/read.js';
import { checkNames } from '../settings/unknown_names.js';
import { Children, waitUntilServed } from './children.js';
import { prepareDemoKey } from './demo_key.js';
import { chooseGateway, nginxCommand, nginxDir, testConfiguration, writeGateway } from './gateway_files.js';
import { metricsAddress } from './facts.js';
import { endNginxOf } from './nginx_processes.js';
import { checkPortIsFree, checkSidecarSocket, holdStateDir, prepareMetrics, prepareStateDir } from './preparations.js';
import { explainError } from '../node/fault.js';

const children = new Children();

async function start(given: Settings): Promise<void> {
  checkProviderIssuers(given);
  prepareStateDir(given);
  await holdStateDir(given);
  checkSidecarSocket(given);
  await endNginxOf(nginxDir(given)); // left behind when an earlier start was killed
  const demoKey = prepareDemoKey(given);
  await checkPortIsFree(given.listenAddress, given.listenPort);
  const { settings, warning } = await prepareMetrics(given, metricsAddress);
  const gateway = await chooseGateway(settings);
  const upstreamUrl = settings.upstreamUrl ?? (await children.startStandIn());
  const files = await writeGateway(settings, gateway, upstreamUrl);
  testConfiguration(gateway, files);
  children.sidecarLog = join(files.dir, 'logs', 'verifier.log');
  await children.startSidecar(settings);
  children.startNginx(nginxCommand(gateway, files), files.dir);
  const url = `https://${urlHost(settings.listenAddress)}:${settings.listenPort}`;
  await waitUntilServed(url, children.nginxEnded, files.errorLog);
  const { runtime, engine } = gateway;
  const entry = settings.authEntry === 'auto' ? 'auth_request' : settings.authEntry;
  console.log(
    `nginx ${runtime.nginxVersion} (${runtime.name}), njs ${runtime.njsVersion}, engine ${engine}, entry ${entry}`,
  );
  if (files.limit !== undefined) console.log(files.limit);
  if (warning !== undefined) console.error(`keygate: warning: ${warning}`);
  for (const line of findUnusableSources(settings)) console.error(`keygate: warning: ${line}`);
  console.log(`upstream ${settings.upstreamUrl ?? 'stand-in'}; logs in ${join(files.dir, 'logs')}`);
  if (demoKey !== undefined) announceDemoKey(demoKey, url);
  console.log(`keygate ready ${url}`);
}

function announceDemoKey(demoKey: { key: string | undefined; file: string }, url: string): void {
  if (demoKey.key === undefined) {
    console.log('the demo key of the first start is still valid; it was printed then');
    return;
  }
  console.log(`demo key (shown once): ${demoKey.key}`);
  console.log(`  try it: curl -k -H "Authorization: Bearer ${demoKey.key}" ${url}/v1/models`);
}

function urlHost(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  if (address === '::') return '[::1]';
  return address.includes(':') ? `[${address}]` : address;
}

async function end(code: number): Promise<never> {
  await children.stop();
  process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end(0));
process.on('SIGUSR1', () => children.reopenLogs());
children.onFatal = (what) => {
  console.error(`keygate: ${what}`);
  void end(1);
};

// npm sends no signal when it is killed; this process then has another parent than at the start.
const parent = process.ppid;
if (process.env['npm_lifecycle_event'] !== undefined) {
  setInterval(() => process.ppid !== parent && void end(0), 500).unref();
}

try {
  const fileNames = existsSync('.env') ? loadEnvFile('.env', process.env) : [];
  checkNames(process.env, fileNames);
  await start(readSettings(process.env));
} catch (error) {
  for (const line of explainError(error)) console.error(line);
  await end(1);
}
