// docs/benchmarks.md and docs/benchmarks.svg, from figures that were measured in this run.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import type { NginxRuntime } from '../build/nginx_runtime.js';
import type { Comparison } from './comparison.js';
import { addresses, hashedEntries, type FloodFigure, type FloodFigures } from './flood.js';
import type { MemorySample } from './memory.js';
import { drawBars } from './bars.js';

export interface Report {
  figures: { [name: string]: Comparison };
  peers: { [name: string]: Comparison };
  halfLoad: Comparison;
  memory: MemorySample[];
  flood: FloodFigures;
  runtime: NginxRuntime;
  connections: number;
  freshTokens: number;
  count: number;
  seconds: number;
}

const docs = join(import.meta.dirname, '../docs');

const titles: { [name: string]: string } = {
  access_cached: 'Keygate, known credential (js_access)',
  access_after_crowd: 'Keygate, known credential, after 200 connections',
  auth_request_cached: 'Keygate, known credential (auth_request)',
  es5_cached: 'Keygate, known credential (old engine)',
  apikey_first: 'Keygate, first use of a $sha256$ key',
  rs256_fresh: 'Keygate, first use of an RS256 token',
  rs256_elsewhere: 'Keygate, RS256 token known to other contexts',
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
  const bars = rows.map(({ title, figure, isOurs }) => ({ title, value: figure.ratio, isOurs }));
  writeFileSync(join(docs, 'benchmarks.svg'), drawBars('Requests a second, plain nginx = 1', bars));
  const table = rows.map(({ title, figure }) =>
    `| ${title} | ${Math.round(figure.perSecond)} | ${figure.ratio.toFixed(2)} | ${figure.addedMicros.toFixed(1)} |`,
  ); // prettier-ignore
  const page = `# Benchmarks

Written by \`npm run bench\`. Nothing here is asserted by a test: run it on your own machine.

![Requests a second beside plain nginx](benchmarks.svg)

| what | requests/s | of plain nginx | added CPU per request, us |
| ---- | ---------: | -------------: | ------------------------: |
${table.join('\n')}

At half of its peak load, a known credential's p99 latency is ${report.halfLoad.p99Ms.toFixed(2)} ms with Keygate and
${report.halfLoad.plainP99Ms.toFixed(2)} ms with plain nginx.

## Memory

${describeMemory(report.memory)}

## While others guess

${describeFlood(report.flood)}

## How it was measured

${conditions(report)}

Each row is measured in turn with plain nginx of the same binary: ${report.count} rounds of one run each, ${report.seconds} s
where the credential is known; where it must be new, ${report.freshTokens} different ones are sent once and forgotten
between rounds. The ratio is the median of the rounds' ratios, the added CPU time the median of the rounds' differences of
the one worker's CPU time (/proc/PID/schedstat) per request. One nginx worker, no TLS, no access log, ${report.connections} kept connections
from wrk with one thread, an upstream of one nginx worker that returns 11 bytes. Keygate is embedded as an operator embeds it, with
identity headers and the settings of a location. CPU time of HAProxy is that of its one thread, beside plain nginx's; of
the service only nginx's own part counts. Load generator, upstream and gateway share the machine, so
requests a second are bounded by all of them, and added CPU time is the figure that carries over to yours.
`;
  writeFileSync(join(docs, 'benchmarks.md'), await format(page));
}

function describeMemory(samples: MemorySample[]): string {
  const rows = samples.map(({ tokens, anonymousKb, sharedKb }) => `| ${tokens} | ${megabytes(anonymousKb)} | ${megabytes(sharedKb)} |`);
  return `One worker's resident memory while different ES256 tokens go through it, each once. Shared memory is that of the
zones, as far as it was touched: it ends at their sizes.

| tokens so far | the worker's own, MB | shared, MB |
| ------------: | -------------------: | ---------: |
${rows.join('\n')}`;
} // prettier-ignore

function megabytes(kb: number): string {
  return (kb / 1024).toFixed(1);
}

function describeFlood({ atPeak, paced, wrongPerSecond, answers }: FloodFigures): string {
  const titled = { none: 'no flood', 'no key': 'requests without a key', 'wrong keys': 'wrong keys' };
  const rows = atPeak.map((one, i) => {
    const slow = paced[i] as FloodFigure;
    const cells = [one, slow].map(({ perSecond, ratio, p99Ms }) => `${Math.round(perSecond)} | ${ratio.toFixed(2)} | ${p99Ms.toFixed(2)}`);
    return `| ${titled[one.flood]} | ${cells.join(' | ')} |`;
  });
  const statuses = Object.entries(answers).map(([status, count]) => `${count} times ${status}`);
  return `What a client with a known key gets while ${addresses} addresses send ${Math.round(wrongPerSecond)} wrong keys a second, each of which would have to be
compared with ${hashedEntries} bcrypt entries of cost 10 (RATE_LIMIT_AUTH and BCRYPT_THREADS as shipped), or as many requests without a key,
which take no sidecar. At its peak the client keeps every core busy by itself: bcrypt's thread takes its niced share from the load
generator and the upstream. Paced, it pauses for 4 ms before each request. The wrong keys were answered ${statuses.join(', ')}.

| flood | at its peak: requests/s | of those without | p99, ms | paced: requests/s | of those without | p99, ms |
| ----- | ----------------------: | ---------------: | ------: | ----------------: | ---------------: | ------: |
${rows.join('\n')}`;
} // prettier-ignore

function conditions({ runtime }: Report): string {
  const [cpu] = cpus();
  const versions = `nginx ${runtime.nginxVersion} with njs ${runtime.njsVersion} (${runtime.name}), Node.js ${process.version}`;
  const wrk = spawnSync('wrk', ['-v'], { encoding: 'utf8' }).stdout.split(' [')[0];
  return `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores of ${cpu?.model.trim()}, Linux ${release()}; ${versions}, ${wrk}.`;
}

// The repository's style, where its tools are there.
async function format(page: string): Promise<string> {
  const prettier = await import('prettier').catch(() => undefined);
  return prettier === undefined ? page : prettier.format(page, { parser: 'markdown', printWidth: 120 });
}
