// Tells the sidecar which keys nginx uses, once after each change, so that the admin command can say so.

import { tellSidecar } from '../sidecar.js';
import { currentKeySet } from './key_set.js';
import { ageMs, readState, writeState } from './shared_state.js';

const apartMs = 10000; // nginx logs each connection that fails

/** js_periodic: over a Unix socket only; over TCP the sidecar asks for a secret that nginx alone sends. */
export async function report(session: NginxPeriodicSession): Promise<void> {
  const address = session.variables.keygate_sidecar || '';
  const keySet = currentKeySet();
  if (ageMs('report_failed_ms', Date.now()) < apartMs) return;
  if (keySet === undefined || address.slice(0, 5) !== 'unix:' || readState('reported') === keySet.generation) return;
  const generation = keySet.generation;
  try {
    const answer = await tellSidecar(address, 'health', { generation });
    if (answer !== undefined) writeState('reported', generation);
  } catch (_) {
    writeState('report_failed_ms', String(Date.now())); // the sidecar is away
  }
}
