// `npm run bench`: what Keygate costs, beside plain nginx of the same binary and beside its peers.
// --quick: fewer and shorter rounds, and nothing is written. --burst: only thousands of requests at once.
// --limits: only what a limit adds. --metrics: only what counting costs. --providers: only what named providers cost.
// --cluster: only what being a node of a cluster adds. With the store of REDIS_URL: --leases: limits over several
// nodes; --revocations: how soon all nodes refuse. --json: the figures as one line of JSON at the end.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureBurst, sayBurst } from './burst.js';
import { measureCluster, sayCluster } from './cluster.js';
import { compare, type Comparison, type Subject } from './comparison.js';
import { measureFlood, sayFlood } from './flood.js';
import { measureLeases } from './leases.js';
import { measureLimits, sayLimits } from './limits.js';
import { checkWrk } from './load.js';
import { measureMemory, sayMemory } from './memory.js';
import { measurePeers } from './peers.js';
import { measureProviders, sayProviders } from './providers.js';
import { measureMetrics, sayMetrics } from './metrics.js';
import { pause } from './processes.js';
import { writeReport } from './report.js';
import { measureRevocations } from './revocations.js';
import { measureRows, type Figures } from './rows.js';
import { formatSpread } from './spread.js';
import { aimKnown, makeStand, say, startMs, type Scale, type Stand } from './stand.js';
import { measureStreams, sayStreams, type StreamCosts, type StreamFigures } from './streams.js';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean' },
    burst: { type: 'boolean' },
    limits: { type: 'boolean' },
    metrics: { type: 'boolean' },
    providers: { type: 'boolean' },
    cluster: { type: 'boolean' },
    leases: { type: 'boolean' },
    revocations: { type: 'boolean' },
    json: { type: 'boolean' },
  },
});
const full: Scale = {
  seconds: 3,
  rounds: 5,
  freshRounds: 5,
  freshTokens: 16000,
  streams: 5000,
  streamRounds: 3,
};
const quick: Scale = {
  seconds: 1,
  rounds: 3,
  freshRounds: 2,
  freshTokens: 8000,
  streams: 1500,
  streamRounds: 2,
};

if (options.leases !== true && options.revocations !== true) checkWrk();
const dir = mkdtempSync(join(tmpdir(), 'keygate-bench-'));
const stops: Stand['stops'] = [];
try {
  const isFull = options.limits === true || options.cluster === true || options.providers === true;
  const few = { ...(isFull ? full : quick), freshTokens: options.providers === true ? quick.freshTokens : 1 };
  if (options.leases === true) await measureLeases();
  else if (options.revocations === true) await measureRevocations(dir, stops);
  else if (options.limits === true) sayLimits(await measureLimits(await makeStand(dir, few, stops)));
  else if (options.providers === true) sayProviders(await measureProviders(await makeStand(dir, few, stops)));
  else if (options.cluster === true) sayCluster(await measureCluster(await makeStand(dir, few, stops)));
  else if (options.burst === true) sayBurst(await measureBurst(await makeStand(dir, few, stops)));
  else if (options.metrics === true) sayMetrics(await measureMetrics(await makeStand(dir, few, stops)));
  else await run(await makeStand(dir, options.quick === true ? quick : full, stops));
} finally {
  for (const stop of stops.reverse()) await stop();
  rmSync(dir, { recursive: true, force: true });
}

async function run(stand: Stand): Promise<void> {
  const guard = await stand.start('guard', stand.gate());
  await pause(startMs);
  const figures = await measureRows(stand, guard);
  const streams = await measureStreams(stand);
  sayStreams(streams);
  if (options.quick !== true) await measureMore(stand, guard, { figures, streams });
  if (options.json === true) console.log(formatJson(figures, streams));
}

async function measureMore(
  stand: Stand,
  guard: Subject,
  measured: { figures: Figures; streams: StreamFigures },
): Promise<void> {
  const halfLoad = await measureHalfLoad(stand, guard, measured.figures['auth_request_cached'] as Comparison);
  const burst = await measureBurst(stand);
  sayBurst(burst);
  const peers = await measurePeers(stand);
  const memory = await measureMemory(stand);
  sayMemory(memory);
  const flood = await measureFlood(stand);
  sayFlood(flood);
  await writeReport({ ...measured, stand, halfLoad, burst, peers, memory, flood });
  say('written: docs/benchmarks.md, docs/benchmarks.svg');
}

// Latency where nothing queues: each connection waits, so that together they ask for half of the peak.
async function measureHalfLoad(stand: Stand, subject: Subject, peak: Comparison): Promise<Comparison> {
  const pauseMs = 4;
  const connections = Math.round((peak.perSecond.median / 2) * ((pauseMs + 0.3) / 1000));
  const aim = { ...aimKnown(stand), seconds: 8, connections, pauseMs };
  const figure = await compare({ subject, plain: stand.plain, aim, rounds: 5 });
  const [gate, plain] = [figure.p99Ms, figure.plainP99Ms].map((one) => formatSpread(one, 2));
  say(`p99 at half load        ${gate} ms, plain nginx ${plain} ms`);
  return figure;
}

function formatJson(figures: Figures, { plain, gate }: StreamFigures): string {
  const rows = Object.entries(figures).map(([name, { ratio, addedMicros }]) => {
    const spread = [round(addedMicros.low, 2), round(addedMicros.high, 2)];
    const added = { added_us: round(addedMicros.median, 2), added_us_spread: spread };
    return [name, { ratio: round(ratio.median, 3), ...added }];
  });
  const both = (cost: keyof StreamCosts) => ({
    plain: round(plain[cost].median, 2),
    gate: round(gate[cost].median, 2),
  });
  return JSON.stringify({
    ...Object.fromEntries(rows),
    stream_kb: both('kbEach'),
    stream_open_us: both('openMicros'),
  });
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
