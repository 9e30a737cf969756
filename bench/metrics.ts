// What counting costs: each gate with metrics on, in turn with the same gate with metrics off.

import { findFreePort } from '../launcher/facts.js';
import { compare, type Comparison } from './comparison.js';
import { pause } from './processes.js';
import { runWrk } from './load.js';
import { formatSpread } from './spread.js';
import { aimKnown, say, startMs, type GateOptions, type Stand } from './stand.js';

/** One way of guarding, with metrics beside without. */
export interface MetricsFigure {
  title: string;
  figure: Comparison;
}

const ways: { title: string; options: GateOptions; usesKey?: boolean }[] = [
  { title: 'auth_request, qjs, token', options: {} },
  { title: 'auth_request, qjs, API key', options: {}, usesKey: true },
  { title: 'js_access, qjs, token', options: { entry: 'access' } },
  { title: 'auth_request, njs, token', options: { engine: 'njs' } },
];

/** Measures what metrics add to each way, on a known credential. */
export async function measureMetrics(stand: Stand): Promise<MetricsFigure[]> {
  const figures: MetricsFigure[] = [];
  for (const [index, { title, options, usesKey }] of ways.entries()) {
    const plain = await stand.start(`uncounted-${index}`, stand.gate(options));
    const metricsPort = await findFreePort();
    const subject = await stand.start(`counted-${index}`, stand.gate({ ...options, metricsPort }));
    await pause(startMs);
    const known = aimKnown(stand);
    const key = { ...known, header: 'x-api-key', value: stand.credentials.keys[0] as string };
    const aim = usesKey === true ? key : known;
    for (const { port } of [plain, subject]) await runWrk({ ...aim, port, seconds: 1 });
    const figure = await compare({ subject, plain, aim, rounds: 2 * stand.scale.rounds });
    figures.push({ title, figure });
    await plain.process.stop();
    await subject.process.stop();
  }
  return figures;
}

/** Tells whoever waits. */
export function sayMetrics(figures: MetricsFigure[]): void {
  for (const { title, figure } of figures) {
    const { ratio, addedMicros } = figure;
    say(
      `metrics, ${title.padEnd(28)} +${formatSpread(addedMicros, 1)} us CPU, ${formatSpread(ratio, 3)} of the requests/s`,
    );
  }
}
