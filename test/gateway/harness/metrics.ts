// The text of /metrics, parsed strictly (https://prometheus.io/docs/instrumenting/exposition_formats/).

import { metricsTable } from '../../../monitoring/metrics_table.js';
import { send } from './client.js';

/** Values by name and labels, as the text writes them: `keygate_requests_total{route="api",...}`. */
export type Samples = Map<string, number>;

const sampleLine = /^([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;

/** @throws Error that names the first line that is not as it should be */
export function parseMetrics(text: string): Samples {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const samples: Samples = new Map();
  const begun = new Set<string>();
  let current = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind = '', name = '', rest = ''] = comment;
      checkComment(kind, name, rest);
      if (kind === 'HELP' && begun.has(name)) throw new Error(`${name} stands twice`);
      begun.add(name);
      current = name;
      continue;
    }
    const [, name = '', labels = '', value] = sampleLine.exec(line) ?? [];
    checkSample(current, name, labels, line);
    const key = labels === '' ? name : `${name}{${labels}}`;
    if (samples.has(key)) throw new Error(`${key} stands twice`);
    samples.set(key, Number(value));
  }
  return samples;
}

function checkComment(kind: string, name: string, rest: string): void {
  const row = metricsTable.find((one) => one.name === name);
  if (row === undefined) throw new Error(`${name} is not in the table`);
  const expected = kind === 'HELP' ? row.help : row.type;
  if (rest !== expected) throw new Error(`${kind} of ${name}: ${rest}`);
}

function checkSample(current: string, name: string, labels: string, line: string): void {
  const row = metricsTable.find((one) => one.name === current);
  if (row === undefined || name === '') throw new Error(`no sample: ${line}`);
  const suffixes = row.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
  const suffix = suffixes.find((one) => name === current + one);
  if (suffix === undefined) throw new Error(`${name} under ${current}`);
  const names = [...labels.matchAll(/([a-z_]+)="/g)].map((match) => match[1]);
  const expected = suffix === '_bucket' ? [...row.labels, 'le'] : row.labels;
  if (names.join() !== expected.join()) throw new Error(`labels of ${line}`);
}

/** Asks the metrics server and parses its answer. */
export async function scrape(port: number): Promise<Samples> {
  const answer = await send(`http://127.0.0.1:${port}`, '/metrics');
  if (answer.status !== 200) throw new Error(`/metrics gave ${answer.status}`);
  return parseMetrics(answer.body);
}

const keptMs = 900;

/** Scrapes once what was kept before is made anew. */
export async function scrapeAnew(port: number): Promise<Samples> {
  await new Promise((resolve) => setTimeout(resolve, keptMs + 100));
  return scrape(port);
}

/** Scrapes until the samples are as wanted, for 10 s at most; @returns the last samples */
export async function scrapeUntil(port: number, isThere: (samples: Samples) => boolean): Promise<Samples> {
  let samples = await scrape(port);
  for (let i = 0; i < 50 && !isThere(samples); i++) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    samples = await scrape(port);
  }
  return samples;
}

/** @returns the sum of all samples whose name and labels begin so */
export function total(samples: Samples, start: string): number {
  return [...samples].filter(([key]) => key.startsWith(start)).reduce((sum, [, value]) => sum + value, 0);
}

/** @returns the samples of a metric, by their labels */
export function samplesOf(samples: Samples, metric: string): { [labels: string]: number } {
  const own = [...samples].filter(([key]) => key === metric || key.startsWith(`${metric}{`));
  return Object.fromEntries(own.map(([key, value]) => [key.slice(metric.length), value]));
}
