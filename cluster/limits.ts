// What the sidecar needs for the limits of all nodes.

import type { ClusterSettings } from '../settings/cluster.js';
import { openBudgets, type Budgets } from './budgets.js';
import { openConnection } from './connection.js';
import { openClusterKeys } from './seal.js';

export interface ClusterLimits {
  budgets: Budgets;
  /** How many nodes were last seen, this one included. */
  nodes: () => number;
}

/** Opens the limits of a store, after the first attempt to connect. */
export async function openLimits(
  settings: ClusterSettings,
  log: (text: string) => void,
): Promise<ClusterLimits & { close: () => void }> {
  const { digest } = openClusterKeys(settings);
  const connection = openConnection(settings, { log });
  await connection.tried();
  return { budgets: openBudgets({ connection, digest }), nodes: () => 1, close: () => connection.close() };
}
