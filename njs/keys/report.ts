// Tells the sidecar which keys nginx uses, once after each change, so that the admin command can say so.

import { sidecarMediaType } from '../../auth/key_record.js';
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
  const headers = { Host: 'keygate', 'Content-Type': sidecarMediaType };
  const body = JSON.stringify({ generation });
  try {
    const response = await ngx.fetch(`http://${address}:/health`, { method: 'POST', headers, body });
    if (response.status === 200) writeState('reported', generation);
  } catch (_) {
    writeState('report_failed_ms', String(Date.now())); // the sidecar is away
  }
}
