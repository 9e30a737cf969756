// The container `check`, which ends before all others start: are the settings in order, and can nginx read the
// files that they name?

import { join } from 'node:path';
import { checkJsAccess } from '../nginx/versions.js';
import { readSettings, type Settings } from '../settings/read.js';
import { checkNames } from '../settings/unknown_names.js';
import { writeAtomically } from '../node/state_files.js';
import { configurationDir, containerEngine, containerVersions, fileMode } from './facts.js';
import { findShortName, readPod } from './pod.js';
import { findProviderFaults } from './providers.js';
import { findUnreadable, readers } from './readable.js';
import { runOnce } from './run_once.js';
import { Fault } from '../node/fault.js';

function check(env: NodeJS.ProcessEnv): void {
  checkNames(env); // docker-compose.yml gives this container all names of .env, and no GitHub token
  for (const name of ['API_KEY_FILE', 'CLUSTER_SECRET_FILE', 'REDIS_PASSWORD_FILE']) checkSecret(name, env[name]);
  const settings = readSettings(env);
  checkContainerSettings(settings, env);
  checkFiles(settings, env);
  // The issuer follows from files that the verifier does not see.
  const path = join(configurationDir, 'verifier.env');
  writeAtomically(path, `MINT_ISSUER=${settings.mintIssuer}\n`, fileMode);
  console.log('settings are in order');
}

// Called before readSettings, whose fault would not name the owner of the file.
function checkSecret(name: string, path: string | undefined): void {
  const fault = path ? findUnreadable(path, readers()) : undefined;
  if (fault !== undefined) throw new Fault(`${name}: ${fault}`);
}

/** Checks settings that only containers have, or that have another name there. */
function checkContainerSettings(settings: Settings, env: NodeJS.ProcessEnv): void {
  if (env['HOST_API_KEYS_FILE'] && !settings.isApiKeysFileNamed) {
    throw new Fault('API_KEYS_FILE: expected API_KEYS_FILE_HOST in its place, a file of the host');
  }
  if (env['HOST_JWT_PROVIDERS']) {
    throw new Fault('JWT_PROVIDERS: expected JWT_PROVIDERS_DIR_HOST in its place, a folder of the host');
  }
  if (!['', 'on', undefined].includes(env['VERIFIER_NETWORK'])) {
    throw new Fault('VERIFIER_NETWORK: expected on, or no value');
  }
  const engine = containerEngine(settings);
  const needs =
    settings.authEntry === 'access' ? checkJsAccess({ njsVersion: containerVersions.njs, engine }) : undefined;
  if (needs !== undefined) throw new Fault(`AUTH_ENTRY: expected auto or auth_request: access ${needs}`);
  const shortName = readPod(env).isOwnResolver ? findShortName(settings.upstreamUrl) : undefined;
  if (shortName !== undefined) throw new Fault(shortName);
  const accountType = env['ACCOUNT_TYPE'] || 'individual';
  if (!['individual', 'business', 'enterprise'].includes(accountType)) {
    throw new Fault('ACCOUNT_TYPE: expected one of individual, business, enterprise');
  }
}

function checkFiles(settings: Settings, env: NodeJS.ProcessEnv): void {
  const { hostCertsDir, jwksPath, jwksCa, upstreamCa, clientCa } = settings;
  const pair = hostCertsDir === undefined ? [] : ['copilot.crt', 'copilot.key'];
  const named = [
    ...pair.map((name) => ({ name: 'HOST_CERTS_DIR', path: join(hostCertsDir ?? '', name) })),
    { name: 'JWKS_PATH', path: jwksPath },
    { name: 'JWKS_CA', path: jwksCa },
    { name: 'UPSTREAM_CA', path: upstreamCa },
    { name: 'CLIENT_CA', path: clientCa },
  ];
  const nginx = readers().slice(0, 1);
  const faults = named.flatMap(({ name, path }) => {
    const fault = path === undefined ? undefined : findUnreadable(path, nginx);
    return fault === undefined ? [] : [`${name}: ${fault}`];
  });
  faults.push(...findProviderFaults(settings, env));
  if (faults.length > 0) throw new Fault(faults.join('\n'));
}

await runOnce(() => check(process.env));
