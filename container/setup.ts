// The container `setup`, which ends before nginx starts: keys first, then a certificate where there is none, and
// nginx's configuration. A gateway that runs already may reload it, so nothing is written before the keys are in order.

import { join } from 'node:path';
import { describeLimit } from '../launcher/facts.js';
import { renderGateway } from '../nginx/gateway/render.js';
import { readSettings } from '../settings/read.js';
import { writeAtomically } from '../node/state_files.js';
import { chooseUpstream, configurationDir, containerFacts, fileMode } from './facts.js';
import { announceKeys, prepareKeys } from './keys.js';
import { readPod } from './pod.js';
import { runOnce } from './run_once.js';
import { findUnusableSources } from '../launcher/sources.js';
import { findCertificate } from '../launcher/certificate.js';

async function setUp(env: NodeJS.ProcessEnv): Promise<void> {
  const hasCopilot = (env['COPILOT_API'] ?? '') !== '';
  const settings = readSettings(env);
  const pod = readPod(env);
  const demoKey = prepareKeys(settings, hasCopilot);
  const upstreamUrl = chooseUpstream(settings, hasCopilot);
  const facts = containerFacts(settings, { certificate: await findCertificate(settings), upstreamUrl, pod });
  const { files } = renderGateway(settings, facts);
  for (const [path, content] of Object.entries(files)) {
    writeAtomically(join(configurationDir, path), content, fileMode);
  }
  console.log(`upstream ${upstreamUrl}`);
  const limit = describeLimit(facts.openFiles);
  if (limit !== undefined) console.log(limit);
  for (const line of findUnusableSources(settings)) console.error(`keygate: warning: ${line}`);
  announceKeys(settings, demoKey, env);
}

await runOnce(() => setUp(process.env));
