// Sections of docs/benchmarks.md, each from the figures of one measure.

import type { BurstFigure } from './burst.js';
import { addresses, hashedEntries, type FloodFigure, type FloodFigures } from './flood.js';
import type { MemorySample } from './memory.js';
import { formatSpread } from './spread.js';
import type { StreamCosts, StreamFigures } from './streams.js';

/** What open streams cost. */
export function describeStreams({ streams, plain, gate }: StreamFigures): string {
  const titled: { [cost in keyof StreamCosts]: string } = {
    kbEach: "the worker's own memory for each stream held, KB",
    openMicros: 'CPU to open one, us',
    shortMicros: 'CPU of a short request while none is held, us',
    shortMicrosMeanwhile: 'CPU of a short request while all are held, us',
    kbBefore: "the worker's own memory before, KB",
    kbAfter: "the worker's own memory after all have ended, KB",
    kbAfterAgain: "the worker's own memory after as many again have ended, KB",
  };
  const rows = Object.entries(titled).map(([name, title]) => {
    const [ofPlain, ofGate] = [plain, gate].map((costs) => formatSpread(costs[name as keyof StreamCosts], 1));
    return `| ${title} | ${ofPlain} | ${ofGate} |`;
  });
  return `${streams} server-sent-event streams through one worker at the same time, opened over kept connections without TLS, \`proxy_buffering
off\`. Each round starts with a new worker, in which as many JavaScript contexts are warm as questions are asked at a time.
What ended streams took stays with the process and is used again, with and without Keygate.

| what | plain nginx | Keygate |
| ---- | ----------: | ------: |
${rows.join('\n')}`;
}

/** How many requests are admitted that arrive at once. */
export function describeBurst(figures: BurstFigure[]): string {
  const rows = figures.map(
    ({ title, admitted, ms }) => `| ${title} | ${formatSpread(admitted)} | ${formatSpread(ms)} |`,
  );
  return `${figures[0]?.requests} requests with a known key, sent at the same moment over as many kept connections to one worker, which
answers what is admitted by itself.

| what | answered with 200 | until all are answered, ms |
| ---- | ----------------: | -------------------------: |
${rows.join('\n')}`;
}

/** How memory grows with tokens. */
export function describeMemory(samples: MemorySample[]): string {
  const rows = samples.map(
    ({ tokens, anonymousKb, sharedKb }) =>
      `| ${tokens} | ${formatMegabytes(anonymousKb)} | ${formatMegabytes(sharedKb)} |`,
  );
  return `One worker's resident memory while different ES256 tokens go through it, each once. Shared memory is that of the
zones, as far as it was touched: it ends at their sizes.

| tokens so far | the worker's own, MB | shared, MB |
| ------------: | -------------------: | ---------: |
${rows.join('\n')}`;
}

function formatMegabytes(kb: number): string {
  return (kb / 1024).toFixed(1);
}

/** What a known client gets while others guess. */
export function describeFlood({ atPeak, paced, wrongPerSecond, answers }: FloodFigures): string {
  const titled = { none: 'no flood', 'no key': 'requests without a key', 'wrong keys': 'wrong keys' };
  const rows = atPeak.map((one, i) => {
    const cells = [one, paced[i] as FloodFigure].map(({ perSecond, ratio, p99Ms }) =>
      [formatSpread(perSecond), formatSpread(ratio, 2), formatSpread(p99Ms, 2)].join(' | '),
    );
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
}
