// Nodes of a cluster inside the test's process, each with a STATE_DIR of its own.

import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { publishedJwk } from '../../../auth/algorithms.js';
import type { Snapshot } from '../../../auth/snapshot.js';
import { emptySnapshot } from '../../../cluster/merge.js';
import { startNode, type ClusterNode } from '../../../cluster/node.js';
import { editSnapshot, readSnapshot } from '../../../cluster/snapshot_file.js';
import { makeSigningKey } from '../../../verifier/signing/stored_keys.js';
import { clusterSettings, makeSecretFile } from './settings.js';

export interface TestNode extends ClusterNode {
  stateDir: string;
  kid: string;
  snapshot: () => Snapshot | undefined;
  /** Changes the file as somebody on this node would while the store is away. */
  edit: (change: Partial<Snapshot>) => Promise<void>;
  logged: (text: RegExp | string) => string[];
}

export interface TestNodeOptions {
  url: string;
  name?: string;
  secretFile?: string;
  stateDir?: string;
  /** Starts with an empty STATE_DIR. */
  isNew?: boolean;
  now?: () => number;
  env?: { [name: string]: string };
}

export const clusterSecret = makeSecretFile();
const nodes: ClusterNode[] = [];

export async function startTestNode(options: TestNodeOptions): Promise<TestNode> {
  const stateDir = options.stateDir ?? mkdtempSync(join(tmpdir(), 'keygate-node-'));
  if (options.isNew !== true && readSnapshot(stateDir) === undefined)
    await editSnapshot(stateDir, () => ({ ...emptySnapshot, number: 1 }));
  const { kid = '' } = await publishKey(stateDir);
  const env = { NODE_NAME: options.name ?? `node-${nodes.length}`, CLUSTER_SECRET_FILE: clusterSecret };
  if (options.secretFile !== undefined) env.CLUSTER_SECRET_FILE = options.secretFile;
  const settings = clusterSettings(options.url, { ...env, ...options.env });
  const lines: string[] = [];
  const log = (text: string) => void lines.push(text);
  const node = startNode({
    settings,
    stateDir,
    ttlSeconds: 3600,
    log: { info: log, warn: log, error: log },
    now: options.now ?? Date.now,
  });
  nodes.push(node);
  return {
    ...node,
    stateDir,
    kid,
    snapshot: () => readSnapshot(stateDir),
    edit: (change) => editSnapshot(stateDir, (own) => ({ ...(own as Snapshot), ...change })),
    logged: (text) => lines.filter((line) => (typeof text === 'string' ? line.includes(text) : text.test(line))),
  };
}

async function publishKey(stateDir: string): Promise<{ kid?: string | undefined }> {
  const path = join(stateDir, 'public', 'jwks.json');
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as { keys: { kid: string }[] }).keys[0] ?? {};
  } catch {
    const jwk = publishedJwk(await makeSigningKey('ES256'));
    mkdirSync(join(stateDir, 'public'), { recursive: true });
    writeFileSync(path, JSON.stringify({ keys: [jwk] }));
    return jwk;
  }
}

export async function stopTestNodes(): Promise<void> {
  await Promise.all(nodes.splice(0).map((node) => node.close()));
}

/** Waits until a condition holds, for 10 s at most. */
export const until = (what: () => unknown, timeout = 10000) => expect.poll(what, { timeout, interval: 20 });
