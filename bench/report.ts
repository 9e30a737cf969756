// docs/benchmarks.md and docs/benchmarks.svg, from figures that were measured in this run.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { drawBars } from './bars.js';
import type { BurstFigure } from './burst.js';
import type { Comparison } from './comparison.js';
import type { FloodFigures } from './flood.js';
import type { MemorySample } from './memory.js';
import { describeBurst, describeFlood, describeMemory, describeStreams } from './report_sections.js';
import type { Figures } from './rows.js';
import { formatSpread } from './spread.js';
import { connections, type Stand } from './stand.js';
import type { StreamFigures } from './streams.js';

export interface Report {
  stand: Stand;
  figures: Figures;
  streams: StreamFigures;
  halfLoad: Comparison;
  burst: BurstFigure[];
  peers: Figures;
  memory: MemorySample[];
  flood: FloodFigures;
}

const docs = join(import.meta.dirname, '../docs');

const titles: { [name: string]: string } = {
  auth_request_cached: 'Keygate, known credential',
  guard_after_crowd: 'Keygate, known credential, after 200 connections',
  guard_tcp_cached: 'Keygate, known credential, decision server over TCP',
  es5_cached: 'Keygate, known credential, old engine',
  access_cached: 'Keygate, known credential, js_access (guard_access.conf)',
  cluster_cached: 'Keygate, known credential, node of a cluster (REDIS_URL)',
  apikey_first: 'Keygate, first use of a $sha256$ key',
  rs256_fresh: 'Keygate, first use of an RS256 token',
  rs256_elsewhere: 'Keygate, RS256 token known to another worker',
  es256_fresh: 'Keygate, first use of an ES256 token',
  deny_random: 'Keygate, forged RS256 token refused',
};

/** Writes the page and its plot. */
export async function writeReport(report: Report): Promise<void> {
  const ours = Object.entries(titles).flatMap(([name, title]) => {
    const figure = report.figures[name];
    return figure === undefined ? [] : [{ title, figure, isOurs: true }];
  });
  const others = Object.entries(report.peers).map(([title, figure]) => ({ title, figure, isOurs: false }));
  const rows = [...ours, ...others];
  const bars = rows.map(({ title, figure, isOurs }) => ({ title, value: figure.ratio.median, isOurs }));
  writeFileSync(join(docs, 'benchmarks.svg'), drawBars('Requests a second, plain nginx = 1', bars));
  writeFileSync(join(docs, 'benchmarks.md'), await format(describe(report, rows)));
}

function describe(report: Report, rows: { title: string; figure: Comparison }[]): string {
  const { halfLoad, streams, burst, memory, flood } = report;
  const table = rows.map(({ title, figure }) => {
    const { perSecond, ratio, addedMicros } = figure;
    return `| ${title} | ${formatSpread(perSecond)} | ${formatSpread(ratio, 2)} | ${formatSpread(addedMicros, 1)} |`;
  });
  return `# Benchmarks

Written by \`npm run bench\`. Nothing here is asserted by a test: run it on your own machine. A figure is the median of
its rounds; the lowest and the highest round stand behind it.

![Requests a second beside plain nginx](benchmarks.svg)

| what | requests/s | of plain nginx | added CPU per request, us |
| ---- | ---------: | -------------: | ------------------------: |
${table.join('\n')}

At half of its peak load, a known credential's p99 latency is ${formatSpread(halfLoad.p99Ms, 2)} ms with Keygate and
${formatSpread(halfLoad.plainP99Ms, 2)} ms with plain nginx.

## Streams

${describeStreams(streams)}

## Many at once

${describeBurst(burst)}

## Memory

${describeMemory(memory)}

## While others guess

${describeFlood(flood)}

## How it was measured

${describeConditions(report)}

${describeMethod(report)}
`;
}

function describeConditions({ stand: { runtime } }: Report): string {
  const [cpu] = cpus();
  const machine = `${cpus().length} cores of ${cpu?.model.trim()}, Linux ${release()}`;
  const nginx = `nginx ${runtime.nginxVersion} with njs ${runtime.njsVersion} (${runtime.name})`;
  const wrk = spawnSync('wrk', ['-v'], { encoding: 'utf8' }).stdout.split(' [')[0];
  const date = new Date().toISOString().slice(0, 10);
  return `${date}, ${machine}; ${nginx}, Node.js ${process.version}, ${wrk}.`;
}

function describeMethod({ stand: { scale } }: Report): string {
  return `Each row is measured in turn with plain nginx of the same binary: ${scale.rounds} rounds of one run each, ${scale.seconds} s
where the credential is known; where it must be new, ${scale.freshTokens} different ones are sent once and forgotten
between rounds. Ratio and added CPU time compare the two runs of one round; CPU time is that of the one worker
(/proc/PID/schedstat) per request. One nginx worker, no TLS, no access log, ${connections} kept connections
from wrk with one thread, an upstream of one nginx worker that returns 11 bytes. Keygate is embedded as an operator embeds it:
guard.conf in the server, the decision server behind a Unix socket in the same worker, identity headers, and the settings
of a location. CPU time of HAProxy is that of its one thread, beside plain nginx's; of
the service only nginx's own part counts. Load generator, upstream and gateway share the machine, so
requests a second are bounded by all of them, and added CPU time is the figure that carries over to yours.`;
}

// The repository's style, where its tools are there.
async function format(page: string): Promise<string> {
  const prettier = await import('prettier').catch(() => undefined);
  return prettier === undefined ? page : prettier.format(page, { parser: 'markdown', printWidth: 120 });
}
