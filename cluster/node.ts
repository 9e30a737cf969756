// This node of a cluster, as the sidecar runs it: connection, heartbeats, snapshot and signing keys.

import type { Snapshot } from '../auth/snapshot.js';
import type { ClusterSettings } from '../settings/cluster.js';
import { openBudgets, type Budgets } from './budgets.js';
import { openConnection, type Connection } from './connection.js';
import { limitLog, type LimitedLog, type Log } from './limited_log.js';
import { Membership } from './membership.js';
import { repeat } from './repeat.js';
import { openClusterKeys } from './seal.js';
import { Signers, signersMessage } from './signers.js';
import { changesChannel } from './store.js';
import { StoreRefused } from './store_fault.js';
import { Sync } from './sync.js';

export interface NodeOptions {
  settings: ClusterSettings;
  stateDir: string;
  /** JWT_TTL. */
  ttlSeconds: number;
  log: Log;
  /** Told each snapshot that this node acts on from now on. */
  onSnapshot?: (snapshot: Snapshot) => void;
  /** Unix milliseconds; Date.now but in tests. */
  now?: () => number;
}

/** How the node is, for metrics and the status. */
export interface ClusterFacts {
  storeUp: boolean;
  /** How long ago the node knew for sure that it has the newest snapshot. */
  stalenessSeconds: number;
  /** Nodes that live, this one included. */
  nodes: number;
  joined: boolean;
}

export interface ClusterNode {
  connection: Connection;
  facts: () => ClusterFacts;
  /** The limits of all nodes; no answer while the store is away, or is one of nodes with another secret. */
  budgets: Budgets;
  /** Leaves the cluster: others know at once. */
  close: () => Promise<void>;
}

const syncMs = 500;
const beatMs = 1000;
const signersMs = 2000;

/** @throws an error of the system where CLUSTER_SECRET_FILE can't be read */
export function startNode({ settings, stateDir, ttlSeconds, log, ...given }: NodeOptions): ClusterNode {
  const { now = Date.now, onSnapshot = () => undefined } = given;
  const keys = openClusterKeys(settings);
  const hear = (message: string) => (message === signersMessage ? signing : syncing).kick();
  const connection = openConnection(settings, {
    log: (text) => log.warn(text),
    channel: { name: changesChannel, hear },
    onState: ({ store }) => store === 'up' && [beating, syncing, signing].forEach((one) => one.kick()),
  });
  const limited = limitLog(log);
  const common = { connection, keys, stateDir, nodeName: settings.nodeName };
  const membership = new Membership({ ...common, log: limited, now });
  const sync = new Sync({ ...common, membership, onSnapshot, log: { ...log, limited } });
  const signers = new Signers({ ...common, ttlSeconds, nowSeconds: () => Math.floor(now() / 1000) });

  const every = (ms: number, run: () => Promise<void>) => repeat(ms, run, (error) => tellError(limited, error));
  const whereOurs = async (run: () => Promise<void>) => (sync.isOurs() ? run() : undefined);
  const syncing = every(syncMs, () => {
    if (signers.isBehind()) signing.kick(); // a key that signs already must not wait
    return sync.run();
  });
  const beating = every(beatMs, () => whereOurs(() => membership.beat(sync.stamp())));
  const signing = every(signersMs, () => whereOurs(() => signers.refresh()));
  const budgets = openBudgets({ connection, digest: keys.digest });
  return {
    connection,
    budgets: { ask: async (...asked) => (sync.isOurs() ? budgets.ask(...asked) : undefined) },
    facts: () => readFacts(connection, membership, sync),
    close: async () => {
      for (const one of [syncing, beating, signing]) one.stop();
      await membership.leave().catch(() => undefined);
      connection.close();
    },
  };
}

function readFacts(connection: Connection, membership: Membership, sync: Sync): ClusterFacts {
  return {
    storeUp: connection.state().store === 'up' && sync.isOurs(),
    stalenessSeconds: sync.stalenessSeconds(),
    nodes: membership.count(),
    joined: sync.stamp() !== '',
  };
}

function tellError(log: LimitedLog, error: Error): void {
  log.error(error instanceof StoreRefused ? `the store refuses what this node asks: ${error.message}` : error.message);
}
