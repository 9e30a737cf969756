// The container `setup`, which ends before the others start: checks all settings, makes a certificate where there
// is none, and writes nginx's configuration.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { findCertificate, StartFault } from '../demo/preparations.js';
import { renderGateway } from '../nginx/render.js';
import { readSettings, type Settings } from '../settings/read.js';
import { writeAtomically } from '../verifier/state_files.js';
import { chooseUpstream, configurationDir, containerFacts } from './facts.js';
import { findUnreadable, readers } from './readable.js';
import { runOnce } from './run_once.js';

const fileMode = 0o640;

async function setUp(env: NodeJS.ProcessEnv): Promise<void> {
  const settings = readSettings(env);
  checkContainerSettings(settings, env);
  const upstreamUrl = chooseUpstream(settings, env['COPILOT_API'] !== undefined && env['COPILOT_API'] !== '');
  const facts = containerFacts(settings, await findCertificate(settings), upstreamUrl);
  const { files } = renderGateway(settings, facts);
  const generation = createHash('sha256').update(JSON.stringify(files)).digest('hex').slice(0, 16);
  for (const [path, content] of Object.entries(files)) write(path, content);
  write('verifier.env', `MINT_ISSUER=${settings.mintIssuer}\n`); // follows from files that the verifier does not see
  write('generation', `${generation}\n`); // last: nginx takes the others up when it changes
  console.log(`settings are in order; upstream ${upstreamUrl}`);
}

function write(path: string, content: string): void {
  writeAtomically(join(configurationDir, path), content, fileMode);
}

/** What is a setting of the contract but can't be used the same way in a container. */
function checkContainerSettings(settings: Settings, env: NodeJS.ProcessEnv): void {
  if (env['HOST_API_KEYS_FILE'] && !settings.isApiKeysFileNamed) {
    throw new StartFault('API_KEYS_FILE: expected API_KEYS_FILE_HOST in its place, a file of the host');
  }
  const accountType = env['ACCOUNT_TYPE'] || 'individual';
  if (!['individual', 'business', 'enterprise'].includes(accountType)) {
    throw new StartFault('ACCOUNT_TYPE: expected one of individual, business, enterprise');
  }
  const certificates = settings.hostCertsDir;
  const wanted = [
    ...(certificates === undefined ? [] : ['copilot.crt', 'copilot.key'].map((name) => ({ name: 'HOST_CERTS_DIR', path: join(certificates, name) }))), // prettier-ignore
    { name: 'JWKS_PATH', path: settings.jwksPath },
    { name: 'JWKS_CA', path: settings.jwksCa },
    { name: 'UPSTREAM_CA', path: settings.upstreamCa },
  ];
  const nginx = readers().slice(0, 1);
  for (const { name, path } of wanted) {
    const fault = path === undefined ? undefined : findUnreadable(path, nginx);
    if (fault !== undefined) throw new StartFault(`${name}: ${fault}`);
  }
}

await runOnce(() => setUp(process.env));
