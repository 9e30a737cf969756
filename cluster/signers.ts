// The public keys that nodes sign with, in the hash `signers`: each node verifies the tokens of all. A key stays for as
// long as a token of it may hold, also when its node has left. Private keys never leave their node.

import { join } from 'node:path';
import { publishedJwk, type PublishedJwk } from '../auth/algorithms.js';
import { isJsonObject } from '../auth/json.js';
import { parseJwks } from '../auth/jwk.js';
import { nodePlatform } from '../node/crypto.js';
import { readIfThere, writeAtomically } from '../node/state_files.js';
import type { Connection } from './connection.js';
import type { ClusterKeys } from './seal.js';
import { ensureSharedFolder } from './snapshot_file.js';
import { changesChannel } from './store.js';
import { withBytes } from './store_client.js';

export interface Signer {
  jwk: PublishedJwk;
  node: string;
  /** Until when a token of this key may hold, in Unix seconds. */
  untilSeconds: number;
}

export interface SignersOptions {
  connection: Connection;
  keys: ClusterKeys;
  stateDir: string;
  nodeName: string;
  /** JWT_TTL: how long a token holds at most. */
  ttlSeconds: number;
  nowSeconds: () => number;
}

/** What a message on the channel says when a node signs with a new key. */
export const signersMessage = 'signers';
const marginSeconds = 3600;
const renewSeconds = 600;
const lateSeconds = 60;

/** Where nginx finds the public keys of other nodes (RFC 7517). */
export function sharedJwksPath(stateDir: string): string {
  return join(stateDir, 'shared', 'jwks.json');
}

type Known = Map<string, Signer>;

export class Signers {
  private readonly known: Known;
  private written = '';
  private shared: string | undefined;

  constructor(private readonly options: SignersOptions) {
    this.known = readKnown(options.stateDir);
  }

  /**
   * Shares this node's keys, reads those of others, puts back what the store has lost, and writes
   * STATE_DIR/shared/jwks.json.
   * @throws StoreAway
   */
  async refresh(): Promise<void> {
    const inStore = await this.readStore();
    for (const [kid, signer] of inStore)
      if (signer !== undefined && signer.untilSeconds > this.untilOf(kid)) this.known.set(kid, signer);
    const text = readIfThere(ownJwksPath(this.options.stateDir));
    const own = parseOwn(text);
    this.renew(own);
    await this.updateStore(inStore);
    this.shared = text;
    this.writeFiles(own.map(({ kid }) => kid));
  }

  /** Whether this node has changed its keys since they were shared. */
  isBehind(): boolean {
    return this.shared !== readIfThere(ownJwksPath(this.options.stateDir));
  }

  private untilOf(kid: string): number {
    return this.known.get(kid)?.untilSeconds ?? 0;
  }

  private async readStore(): Promise<Map<string, Signer | undefined>> {
    const { connection, keys } = this.options;
    const fields = await connection.run((client) => withBytes(client).hGetAll(connection.name('signers')));
    const pairs = Object.entries(fields as unknown as { [kid: string]: Buffer });
    return new Map(pairs.map(([kid, sealed]) => [kid, parseSigner(kid, keys.open(`signer ${kid}`, sealed))]));
  }

  private renew(own: OwnJwk[]): void {
    const { ttlSeconds, nodeName, nowSeconds } = this.options;
    const untilSeconds = nowSeconds() + ttlSeconds + marginSeconds;
    for (const jwk of own)
      if (this.untilOf(jwk.kid) < untilSeconds - renewSeconds)
        this.known.set(jwk.kid, { jwk, node: nodeName, untilSeconds });
    for (const [kid, signer] of this.known)
      if (signer.untilSeconds + lateSeconds < nowSeconds()) this.known.delete(kid);
  }

  private async updateStore(inStore: Map<string, Signer | undefined>): Promise<void> {
    const { connection, keys } = this.options;
    const name = connection.name('signers');
    const lacking = [...this.known].filter(([kid, one]) => inStore.get(kid)?.untilSeconds !== one.untilSeconds);
    for (const [kid, signer] of lacking)
      await connection.run((client) => client.hSet(name, kid, keys.seal(`signer ${kid}`, JSON.stringify(signer))));
    const unknown = [...inStore.keys()].filter((kid) => !this.known.has(kid));
    if (unknown.length > 0) await connection.run((client) => client.hDel(name, unknown));
    if (lacking.some(([kid]) => !inStore.has(kid)))
      await connection.run((client) => client.publish(connection.name(changesChannel), signersMessage));
  }

  private writeFiles(ownKids: string[]): void {
    const { stateDir } = this.options;
    const all = [...this.known].sort(([one], [other]) => (one < other ? -1 : 1));
    const text = `${JSON.stringify(Object.fromEntries(all), null, 1)}\n`;
    const writing = `${text} ${ownKids.join(' ')}`;
    if (writing === this.written) return;
    ensureSharedFolder(stateDir);
    const others = all.filter(([kid]) => !ownKids.includes(kid)).map(([, { jwk }]) => jwk);
    const jwks = `${JSON.stringify({ keys: others }, null, 2)}\n`;
    if (readIfThere(sharedJwksPath(stateDir)) !== jwks) writeAtomically(sharedJwksPath(stateDir), jwks, 0o640);
    writeAtomically(signersPath(stateDir), text, 0o600);
    this.written = writing;
  }
}

// For the sidecar alone: what it knows after a restart, also while the store is away or was emptied.
function signersPath(stateDir: string): string {
  return join(stateDir, 'shared', 'signers.json');
}

function readKnown(stateDir: string): Known {
  const known: Known = new Map();
  let value: unknown;
  try {
    value = JSON.parse(readIfThere(signersPath(stateDir)) ?? '{}');
  } catch {
    return known;
  }
  if (!isJsonObject(value)) return known;
  for (const [kid, one] of Object.entries(value)) {
    const signer = parseSigner(kid, JSON.stringify(one));
    if (signer !== undefined) known.set(kid, signer);
  }
  return known;
}

function parseSigner(kid: string, text: string | undefined): Signer | undefined {
  if (text === undefined) return undefined;
  try {
    const { jwk, node, untilSeconds } = JSON.parse(text) as Partial<Signer>;
    const parsed = parseJwks(JSON.stringify({ keys: [jwk] }), nodePlatform);
    const key = 'fault' in parsed ? undefined : parsed.keys[0];
    if (key === undefined || jwk?.kid !== kid || typeof node !== 'string') return undefined;
    return Number.isFinite(untilSeconds)
      ? { jwk: publishedJwk(jwk), node, untilSeconds: untilSeconds as number }
      : undefined;
  } catch {
    return undefined;
  }
}

// public/jwks.json is written by the sidecar and the admin command alone, as a whole.
type OwnJwk = PublishedJwk & { kid: string };

function parseOwn(text = '{"keys":[]}'): OwnJwk[] {
  const { keys } = JSON.parse(text) as { keys: PublishedJwk[] };
  return keys.map(publishedJwk).filter((jwk): jwk is OwnJwk => jwk.kid !== undefined);
}

function ownJwksPath(stateDir: string): string {
  return join(stateDir, 'public', 'jwks.json');
}
