// The totals of each 10 s for the rates of /status.json, and the last use of keys: once a second in one worker.

import { isJsonObject } from '../../auth/json.js';
import { tellSidecar } from '../sidecar.js';
import { hasNews, makeQuestion, noteLastUsed, takeAnswer, type MetricsQuestion } from './sidecar_facts.js';
import { readTotals, type Totals } from './read_counters.js';
import { keepText, readText } from '../texts.js';

/** Requests since the counters began: all, refused, and answered with 5xx. */
export interface RequestTotals {
  total: number;
  refused: number;
  failed: number;
}

interface Sample extends RequestTotals {
  /** Unix seconds. */
  time: number;
}

const apartMs = 10000; // nginx logs each connection that fails
const everySeconds = 10;
const mostSamples = 61; // of which 60 differences are made

/** Adds requests and refusals up. */
export function sumRequests({ requests, decisions }: Totals): RequestTotals {
  const sums: RequestTotals = { total: 0, refused: 0, failed: 0 };
  requests.forEach(({ digit, count }) => {
    sums.total += count;
    if (digit === '5') sums.failed += count;
  });
  Object.keys(decisions).forEach((reason) => {
    if (reason !== '') sums.refused += decisions[reason] as number;
  });
  return sums;
}

function readSamples(): Sample[] {
  return JSON.parse(readText('samples') || '[]') as Sample[];
}

/** @returns requests a second between each two samples, oldest first */
export function readRates(): { time: number; requests: number; refused: number; failed: number }[] {
  const samples = readSamples();
  return samples.slice(1).map((sample, index) => {
    const before = samples[index] as Sample;
    const seconds = Math.max(1, sample.time - before.time);
    const rate = (part: keyof RequestTotals) => Math.round((100 * (sample[part] - before[part])) / seconds) / 100;
    return { time: sample.time, requests: rate('total'), refused: rate('refused'), failed: rate('failed') };
  });
}

function takeSample(nowSeconds: number): void {
  const samples = readSamples().filter(({ time }) => time <= nowSeconds); // the clock may have been set back
  const last = samples[samples.length - 1];
  if (last !== undefined && nowSeconds - last.time < everySeconds) return;
  const sample: Sample = Object.assign({ time: nowSeconds }, sumRequests(readTotals()));
  keepText('samples', JSON.stringify(samples.concat([sample]).slice(-mostSamples)));
}

/** js_periodic, each second in one worker. */
export async function sample(session: NginxPeriodicSession): Promise<void> {
  const nowMs = Date.now();
  noteLastUsed(nowMs);
  takeSample(Math.floor(nowMs / 1000));
  const address = session.variables.keygate_sidecar || '';
  const question = makeQuestion();
  // Over TCP the sidecar asks for a secret that only requests send: there a scrape tells the sidecar.
  const isAway = Math.abs(nowMs - Number(readText('failed_ms') || 0)) < apartMs;
  if (address.slice(0, 5) === 'unix:' && hasNews(question) && !isAway) await exchange(address, question);
}

async function exchange(address: string, question: MetricsQuestion): Promise<void> {
  try {
    const answer = await tellSidecar(address, 'metrics', question);
    if (isJsonObject(answer)) takeAnswer(question, answer);
  } catch (_) {
    keepText('failed_ms', String(Date.now())); // the sidecar is away
  }
}
