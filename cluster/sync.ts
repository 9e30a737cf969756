// Keeps this node's snapshot and the store's equal: takes up what others changed, publishes what was changed here while
// the store was away, and puts back what the store has lost. A node without a snapshot joins first.

import type { Snapshot } from '../auth/snapshot.js';
import type { Connection } from './connection.js';
import type { LimitedLog, Log } from './limited_log.js';
import type { Membership } from './membership.js';
import { contentOf, emptySnapshot, mergeSnapshots } from './merge.js';
import type { ClusterKeys } from './seal.js';
import { editSnapshot, readSnapshot, restoreSnapshot, snapshotVersion } from './snapshot_file.js';
import { fetchSnapshot, glance, publishSnapshot, stampOf, type Glance } from './store.js';

export interface SyncOptions {
  connection: Connection;
  keys: ClusterKeys;
  stateDir: string;
  membership: Pick<Membership, 'confirms' | 'hasJoinedOthers' | 'newestNumber'>;
  log: Log & { limited: LimitedLog };
  /** Told each snapshot that this node acts on from now on. */
  onSnapshot: (snapshot: Snapshot) => void;
}

const aloneMs = 5000;
const joinMs = 30000;
const othersMs = 10000;

export class Sync {
  private own: Snapshot | undefined;
  private ownStamp = '';
  private ownVersion = '';
  private joiningSinceMs: number | undefined;
  private sureMs = performance.now();
  private isStoreOurs = false;
  private othersSeenMs = -Infinity;

  constructor(private readonly options: SyncOptions) {}

  /** For heartbeats: the snapshot that this node acts on; empty before it has joined. */
  stamp(): string {
    return this.ownStamp;
  }

  /** How long ago this node knew for sure that its snapshot was the newest. */
  stalenessSeconds(): number {
    return (performance.now() - this.sureMs) / 1000;
  }

  /** Whether the store was reached, and is not one of nodes with another secret. */
  isOurs(): boolean {
    return this.isStoreOurs;
  }

  /**
   * Compares once, and mends what differs.
   * @throws StoreAway, or a Fault about the file
   */
  async run(): Promise<void> {
    const { membership, log } = this.options;
    await this.readOwn();
    const startMs = performance.now();
    const seen = await this.glance();
    if (seen.secret === 'other') {
      this.isStoreOurs = false;
      this.othersSeenMs = startMs;
      log.limited.error(
        'the nodes of this store and REDIS_PREFIX have another cluster secret: this node shares nothing until every ' +
          'node has the same CLUSTER_SECRET_FILE',
      );
      return;
    }
    // After an emptied store, nodes with the other secret put theirs back first.
    if (seen.secret === 'none' && startMs - this.othersSeenMs < othersMs) return;
    this.isStoreOurs = true;
    if (this.own === undefined) await this.join(seen);
    else if (seen.stamp !== this.stamp()) await this.reconcile(seen, this.own);
    else if (membership.newestNumber() <= this.own.number) this.sureMs = startMs;
  }

  private async glance(): Promise<Glance> {
    try {
      return await glance(this.options.connection, this.options.keys);
    } catch (error) {
      this.joiningSinceMs = undefined; // the wait for a live node is one with the store
      throw error;
    }
  }

  private async readOwn(): Promise<void> {
    const { stateDir, log } = this.options;
    const version = snapshotVersion(stateDir);
    if (version === this.ownVersion && version !== '') return;
    let fault = 'shared/snapshot.json is gone';
    try {
      const read = readSnapshot(stateDir);
      this.ownVersion = version;
      if (read !== undefined) return this.take(read);
      if (this.own === undefined) return;
    } catch (error) {
      if (this.own === undefined) throw error;
      fault = (error as Error).message;
    }
    log.limited.error(`${fault}: it is written again, as it was good last`);
    await restoreSnapshot(stateDir, this.own);
    this.ownVersion = '';
  }

  private take(snapshot: Snapshot): void {
    const stamp = stampOf(snapshot, this.options.keys);
    const isNew = stamp !== this.ownStamp;
    this.own = snapshot;
    this.ownStamp = stamp;
    if (isNew) this.options.onSnapshot(snapshot);
  }

  private async join(seen: Glance): Promise<void> {
    const { membership, log, keys } = this.options;
    this.joiningSinceMs ??= performance.now();
    const waitedMs = performance.now() - this.joiningSinceMs;
    const isFirst = seen.stamp === '' && !membership.hasJoinedOthers() && waitedMs >= aloneMs;
    const isConfirmed = seen.stamp !== '' && membership.confirms(seen.stamp);
    if (!isFirst && !isConfirmed && waitedMs < joinMs) return;
    const found = seen.stamp === '' ? { ...emptySnapshot, number: 1 } : await this.fetch();
    if (found === undefined) return; // told; without it, this node would not know what is revoked
    if (isConfirmed && stampOf(found, keys) !== seen.stamp) return; // it has changed meanwhile
    if (seen.stamp === '' && !(await this.publish(seen, found))) return;
    await this.write(found);
    if (isConfirmed) log.info(`joined the cluster with snapshot ${found.number}`);
    else if (isFirst) log.info('joined as the first node of a new cluster');
    else log.warn(`joined the cluster with snapshot ${found.number}: no live node has confirmed it within 30 s`);
  }

  private async reconcile(seen: Glance, own: Snapshot): Promise<void> {
    const { keys } = this.options;
    const inStore = await this.fetch();
    const merged = mergeSnapshots(own, inStore ?? emptySnapshot, keys.entrySecret);
    const isOwn = contentOf(merged) === contentOf(own);
    const isStores = inStore !== undefined && contentOf(merged) === contentOf(inStore) && inStore.number >= own.number;
    if (!isOwn || isStores) await this.write(merged); // first of all, as it may revoke
    if (isStores && stampOf(inStore, keys) === seen.stamp) return;
    this.tellLoss(seen, inStore, own);
    const isNewer = isOwn && own.number > (inStore?.number ?? -1);
    const snapshot = { ...merged, number: isNewer ? own.number : merged.number + 1 };
    if (await this.publish(seen, snapshot)) await this.write(snapshot);
  }

  private tellLoss(seen: Glance, inStore: Snapshot | undefined, own: Snapshot): void {
    const { limited } = this.options.log;
    if (seen.stamp === '')
      limited.error(`the store was emptied: snapshot ${own.number} of this node is put back`, 'emptied');
    else if (inStore !== undefined && inStore.number < own.number)
      limited.error(
        `the store has the older snapshot ${inStore.number}, as after a backup was restored: snapshot ${own.number} ` +
          'of this node is put back, and what was revoked stays revoked',
        'restored',
      );
  }

  /** @returns false where another node was quicker: the next run compares again */
  private async publish(seen: Glance, snapshot: Snapshot): Promise<boolean> {
    const { connection, keys } = this.options;
    return (await publishSnapshot(connection, keys, { before: seen.stamp, snapshot })) === 'published';
  }

  private async fetch(): Promise<Snapshot | undefined> {
    const { connection, keys, log } = this.options;
    const found = await fetchSnapshot(connection, keys);
    if (found === undefined || !('fault' in found)) return found;
    log.limited.error(`the store's snapshot is refused: ${found.fault}`);
    return undefined;
  }

  private async write(snapshot: Snapshot): Promise<void> {
    const { stateDir, keys } = this.options;
    await editSnapshot(stateDir, (before) => {
      const merged = mergeSnapshots(before ?? emptySnapshot, snapshot, keys.entrySecret);
      this.take(merged);
      return merged;
    });
  }
}
