// Which nodes there are: each writes a heartbeat a second into the hash `nodes`, and watches those of others. A node
// lives while its counter grows, by the count of our own heartbeats: no clocks are compared, and nobody dies while the
// store is away.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { readIfThere, writeAtomically } from '../node/state_files.js';
import type { Connection } from './connection.js';
import { parseHeartbeat, type Heartbeat } from './heartbeat.js';
import type { LimitedLog } from './limited_log.js';
import type { ClusterKeys } from './seal.js';
import { ensureSharedFolder } from './snapshot_file.js';
import { withBytes } from './store_client.js';

export interface MembershipOptions {
  connection: Connection;
  keys: ClusterKeys;
  nodeName: string;
  log: LimitedLog;
  /** Unix milliseconds. */
  now: () => number;
  stateDir: string;
}

interface Seen {
  heartbeat: Heartbeat;
  /** Our own heartbeat at which the counter was seen to grow last; 0 where it has not grown yet. */
  grownAt: number;
  firstAt: number;
}

const liveBeats = 5;
const forgetBeats = 60;
const maxClockOffsetMs = 60000;

export class Membership {
  private readonly bootId = randomBytes(12).toString('base64url');
  private readonly field: string;
  private readonly seen = new Map<string, Seen>();
  private counter = 0;
  private beats = 0;
  private readonly countBefore: number;
  private noted: number;

  constructor(private readonly options: MembershipOptions) {
    this.field = `${options.nodeName}:${this.bootId}`;
    this.countBefore = this.noted = readCount(options.stateDir);
  }

  /**
   * Writes this node's heartbeat and reads those of others.
   * @param stamp of the snapshot that this node acts on; empty before it has joined
   * @throws StoreAway
   */
  async beat(stamp: string): Promise<void> {
    const { connection, keys, nodeName, now } = this.options;
    const echoes = [...this.seen.values()].map(({ heartbeat }) => heartbeat.bootId);
    const own: Heartbeat = {
      name: nodeName,
      bootId: this.bootId,
      counter: ++this.counter,
      stamp,
      unixMs: now(),
      echoes,
    };
    const name = connection.name('nodes');
    const sealed = keys.seal(`node ${this.field}`, JSON.stringify(own));
    const [, fields] = await connection.run((client) =>
      Promise.all([client.hSet(name, this.field, sealed), withBytes(client).hGetAll(name)]),
    );
    this.beats++;
    for (const [field, value] of Object.entries(fields)) this.note(field, value as unknown as Buffer);
    this.noteCount();
    await this.forget(Object.keys(fields));
    tellFaults(this.live(), this.options);
  }

  /** How many nodes there are, this one included; while the store is away, as many as were seen last. */
  count(): number {
    const count = this.live().length + 1;
    return this.beats < liveBeats ? Math.max(this.countBefore, count) : count;
  }

  /** Whether a node that has joined is there. */
  hasJoinedOthers(): boolean {
    return this.joined().length > 0;
  }

  /** Whether a node that has joined says, since our start, that it acts on this snapshot. */
  confirms(stamp: string): boolean {
    return this.joined().some(({ heartbeat }) => heartbeat.stamp === stamp);
  }

  /** The largest number of a snapshot that another node acts on; -1 for none. */
  newestNumber(): number {
    return Math.max(-1, ...this.joined().map(({ heartbeat }) => Number.parseInt(heartbeat.stamp)));
  }

  /**
   * Takes this node's heartbeat away.
   * @throws StoreAway
   */
  async leave(): Promise<void> {
    const { connection } = this.options;
    await connection.run((client) => client.hDel(connection.name('nodes'), this.field));
  }

  private live(): Seen[] {
    return [...this.seen.values()].filter(({ grownAt }) => grownAt > 0 && this.beats - grownAt < liveBeats);
  }

  private joined(): Seen[] {
    return this.live().filter(({ heartbeat }) => heartbeat.stamp !== '' && heartbeat.echoes.includes(this.bootId));
  }

  private note(field: string, value: Buffer): void {
    if (field === this.field) return;
    const heartbeat = parseHeartbeat(this.options.keys.open(`node ${field}`, value));
    const before = this.seen.get(field);
    if (heartbeat === undefined) return;
    if (before === undefined) this.seen.set(field, { heartbeat, grownAt: 0, firstAt: this.beats });
    else if (heartbeat.counter > before.heartbeat.counter)
      this.seen.set(field, { ...before, heartbeat, grownAt: this.beats });
  }

  // How many nodes there are outlives a restart while the store is away: limits are divided by it (REDIS_DOWN=share).
  private noteCount(): void {
    const { stateDir } = this.options;
    if (this.count() === this.noted) return;
    this.noted = this.count();
    ensureSharedFolder(stateDir);
    writeAtomically(countPath(stateDir), `${this.noted}\n`, 0o640);
  }

  private async forget(fields: string[]): Promise<void> {
    const { connection } = this.options;
    const isOver = ({ grownAt, firstAt }: Seen) => this.beats - Math.max(grownAt, firstAt) >= forgetBeats;
    const over = [...this.seen].filter(([, one]) => isOver(one)).map(([field]) => field);
    for (const field of over) this.seen.delete(field);
    const left = over.filter((field) => fields.includes(field));
    if (left.length > 0) await connection.run((client) => client.hDel(connection.name('nodes'), left));
  }
}

function countPath(stateDir: string): string {
  return join(stateDir, 'shared', 'nodes');
}

function readCount(stateDir: string): number {
  const count = Number.parseInt(readIfThere(countPath(stateDir)) ?? '');
  return count >= 1 && count <= 100000 ? count : 1;
}

function tellFaults(live: Seen[], { nodeName, log, now }: MembershipOptions): void {
  for (const { heartbeat } of live) {
    if (heartbeat.name === nodeName)
      log.error(`two nodes have the name ${nodeName}: give each node a NODE_NAME of its own`);
    const offsetMs = heartbeat.unixMs - now();
    if (Math.abs(offsetMs) <= maxClockOffsetMs) continue;
    const seconds = Math.round(Math.abs(offsetMs) / 1000);
    const way = offsetMs > 0 ? 'ahead of' : 'behind';
    log.warn(
      `the clock of node ${heartbeat.name} is ${seconds} s ${way} ours: tokens and limits need clocks that agree`,
      `clock of ${heartbeat.name}`,
    );
  }
}
