// Whether the running gateway has taken a change up: the sidecar says which keys it and nginx use.

import { parseJsonObject } from '../../auth/json.js';
import type { Settings } from '../../settings/read.js';
import { askHealth } from '../../node/ask_sidecar.js';

/**
 * `taken up`: nginx and sidecar use the change; `sidecar only`: nginx has not said so; `unreadable`: the sidecar can't
 * use the file; `not running`: the sidecar does not answer.
 */
export type Uptake = 'taken up' | 'sidecar only' | 'unreadable' | 'not running';

const waitMs = 3000;
const everyMs = 100;

interface Health {
  generation: string;
  nginxGeneration: string;
}

/** Waits, for up to 3 s, until nginx uses what the sidecar uses. */
export async function waitForUptake(settings: Settings): Promise<Uptake> {
  const endMs = Date.now() + waitMs;
  let uptake: Uptake = 'not running';
  while (Date.now() < endMs) {
    const answer = await askHealth(settings.sidecar, settings.stateDir);
    const health = answer?.status === 200 ? parseHealth(answer.body) : undefined;
    if (health === undefined) return uptake;
    if (health.generation !== '' && health.generation === health.nginxGeneration) return 'taken up';
    uptake = health.generation === '' ? 'unreadable' : 'sidecar only';
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  return uptake;
}

/** A line for people about the uptake. */
export function describeUptake(uptake: Uptake): string {
  if (uptake === 'taken up') return 'The running gateway has taken this up.';
  if (uptake === 'sidecar only') return 'The sidecar has taken this up; nginx has not said so yet.';
  if (uptake === 'unreadable') return "The running sidecar can't use the key file: its log says why.";
  return 'No gateway is running on this STATE_DIR; it will be used when one starts.';
}

// Another program may listen at the sidecar's address.
function parseHealth(body: string): Health | undefined {
  const parsed = parseJsonObject(body);
  if (!('object' in parsed)) return undefined;
  const { generation, nginxGeneration } = parsed.object;
  return typeof generation === 'string' && typeof nginxGeneration === 'string'
    ? { generation, nginxGeneration }
    : undefined;
}
