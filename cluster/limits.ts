// What the sidecar needs for limits: the budgets in the store.

import { createHmac, hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ClusterSettings } from '../settings/cluster.js';
import { openBudgets, type Budgets } from './budgets.js';
import { openConnection } from './connection.js';

/** Opens a connection for limits. */
export function openLimits(
  settings: ClusterSettings,
  log: (text: string) => void,
): { budgets: Budgets; nodes: () => number; close: () => void } {
  const secret = Buffer.from(readFileSync(settings.secretFile).toString('latin1').trim(), 'latin1');
  const key = Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), 'keygate 1 budgets', 32));
  const digest = (content: string) => createHmac('sha256', key).update(content).digest('base64url').slice(0, 22);
  const connection = openConnection(settings, { log });
  return { budgets: openBudgets({ connection, digest }), nodes: () => 1, close: () => connection.close() };
}
