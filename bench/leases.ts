// Limits over several nodes: how much less passes than a single bucket of the same limit would let pass, and how much
// more than the limit says passes in the worst window. Nodes without nginx, the real code and script, a real store.

import { randomBytes } from 'node:crypto';
import type { RateLimit } from '../auth/rate_limit.js';
import { openBudgets } from '../cluster/budgets.js';
import { openConnection, type Connection } from '../cluster/connection.js';
import { parseRedisUrl } from '../settings/redis_url.js';
import { lease } from '../verifier/lease_route.js';
import { makeNode, type SimulatedNode } from './simulated_node.js';
import { say } from './stand.js';

interface Load {
  limit: RateLimit;
  nodes: number;
  /** The part of the requests that the first node gets; the others share the rest. */
  firstPart: number;
  /** Requests a second, as a multiple of the limit's rate. */
  demand: number;
}

/** A request that passed, in milliseconds. */
interface Passed {
  startMs: number;
  endMs: number;
}

export interface LeaseFigures {
  passed: number;
  /** How many a single bucket would have let pass. */
  single: number;
  /** How many more than the limit says passed in the worst window; 0 or less keeps the limit. */
  excess: number;
  /** The part of the requests that asked the store. */
  asked: number;
  /** How many questions had no answer in time: their requests are refused. */
  unanswered: number;
}

const seconds = 8;
const facts = { storeUp: true, stalenessSeconds: 0, joined: true };

/** Measures one load on nodes of their own. */
async function measureLoad(connection: Connection, load: Load): Promise<LeaseFigures> {
  const { limit, nodes: count, firstPart, demand } = load;
  let asked = 0;
  let unanswered = 0;
  const nodes = await Promise.all(
    Array.from({ length: count }, () => {
      const budgets = openBudgets({ connection, digest: (content) => content });
      return makeNode({
        now: Date.now,
        ask: async (question) => {
          asked++;
          const answer = await lease({ facts: () => ({ ...facts, nodes: count }), budgets }, question);
          if (!('granted' in answer)) unanswered++;
          return answer;
        },
      });
    }),
  );
  const ticking = setInterval(() => nodes.forEach((node) => node.tick()), 200);
  const perMs = demand / limit.intervalMs;
  const startMs = performance.now();
  const arrivals: number[] = [];
  const passed: Passed[] = [];
  const waiting: Promise<void>[] = [];
  const name = `bench ${randomBytes(6).toString('hex')}`;
  for (let nextMs = 0; nextMs < seconds * 1000; nextMs -= Math.log(1 - Math.random()) / perMs) {
    while (performance.now() - startMs < nextMs) await new Promise((resolve) => setImmediate(resolve));
    arrivals.push(performance.now());
    const node = Math.random() < firstPart ? 0 : 1 + Math.floor(Math.random() * (count - 1));
    waiting.push(charge(nodes[node] as SimulatedNode, { name, limit, passed }));
  }
  await Promise.all(waiting);
  clearInterval(ticking);
  const single = singleBucket(arrivals, limit);
  return { passed: passed.length, single, excess: excess(passed, limit), asked: asked / arrivals.length, unanswered };
}

interface Charging {
  name: string;
  limit: RateLimit;
  passed: Passed[];
}

async function charge(node: SimulatedNode, { name, limit, passed }: Charging): Promise<void> {
  const startMs = performance.now();
  const isAdmitted = await node.charge(name, limit);
  if (isAdmitted) passed.push({ startMs, endMs: performance.now() });
}

function singleBucket(arrivals: number[], { intervalMs, burst }: RateLimit): number {
  let fullAtMs = 0;
  return arrivals.filter((atMs) => {
    const next = Math.max(fullAtMs, atMs) + intervalMs;
    const passes = next - atMs <= intervalMs * (burst + 1);
    if (passes) fullAtMs = next;
    return passes;
  }).length;
}

// A request counts in a window that it lies in as a whole.
function excess(passed: Passed[], { intervalMs, burst }: RateLimit): number {
  let worst = -Infinity;
  for (const { startMs: from } of passed) {
    const ends = passed.filter(({ startMs }) => startMs >= from).map(({ endMs }) => endMs);
    ends.sort((a, b) => a - b);
    ends.forEach((end, i) => {
      worst = Math.max(worst, i - burst - Math.floor((end - from) / intervalMs + 1e-6));
    });
  }
  return worst;
}

const limits: [string, RateLimit][] = [
  ['100/s burst=100', { intervalMs: 10, burst: 100 }],
  ['10/s burst=20', { intervalMs: 100, burst: 20 }],
  ['60/m burst=10', { intervalMs: 1000, burst: 10 }],
];

/** Measures 2, 5 and 10 nodes with the store that REDIS_URL names, and prints a table. */
export async function measureLeases(): Promise<void> {
  const url = process.env['REDIS_URL'] ?? '';
  const redis = parseRedisUrl(url);
  if (redis === undefined) throw new Error('bench --leases: expected REDIS_URL, a store to measure with');
  const settings = { redis, ca: undefined, certificate: undefined, prefix: 'keygate-bench', down: 'share' as const };
  const connection = openConnection({ ...settings, secretFile: '', nodeName: 'bench' });
  const { store, reason } = await connection.tried();
  if (store !== 'up') throw new Error(`bench --leases: ${reason}`);
  say('| limit | nodes | load | demand | passed of a single bucket | over the limit | asked the store | unanswered |');
  say('| --- | --- | --- | --- | --- | --- | --- | --- |');
  for (const [name, limit] of limits)
    for (const nodes of [2, 5, 10])
      for (const [kind, firstPart] of [
        ['even', 1 / nodes],
        ['skewed', 0.8],
      ] as const)
        for (const demand of [0.5, 2]) {
          const figures = await measureLoad(connection, { limit, nodes, firstPart, demand });
          const part = ((figures.passed / figures.single) * 100).toFixed(1);
          const asked = (figures.asked * 100).toFixed(0);
          say(
            `| ${name} | ${nodes} | ${kind} | ${demand} | ${part} % | ${Math.max(0, figures.excess)} | ${asked} % | ${figures.unanswered} |`,
          );
        }
  connection.close();
}
