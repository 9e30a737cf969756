// What the metrics server calls (nginx/snippets/metrics.conf). However many scrapers ask, an answer is made about once
// a second, and the sidecar is asked as often.

import { metricsTable } from '../../monitoring/metrics_table.js';
import { formatMetrics, prometheusMediaType } from '../../monitoring/prometheus_text.js';
import { judgeStatus } from '../../monitoring/judge_status.js';
import type { Status } from '../../monitoring/status.js';
import { isFaulty } from '../keys/source_faults.js';
import { readKeyFacts } from './facts.js';
import { renderStatusPage, statusPageCsp } from '../../monitoring/status_page.js';
import { oneLine } from '../platform.js';
import { askSidecar } from '../sidecar.js';
import { measure } from './measure.js';
import { sample } from './samples.js';
import { makeQuestion, takeAnswer } from './sidecar_facts.js';
import { collectStatus } from './status_facts.js';
import { keepText, readText } from '../texts.js';

const keepMs = 900; // counts are visible within a second

type Make = (variables: NginxVariables, nowMs: number) => string;

interface Answer {
  name: string;
  mediaType: string;
  /** Where the answer needs another than metrics.conf gives all. */
  csp?: string;
  make: Make;
}

const json = (variables: NginxVariables, nowMs: number): string => JSON.stringify(readStatus(variables, nowMs));

function readStatus(variables: NginxVariables, nowMs: number): Status {
  return judgeStatus(collectStatus(variables, nowMs), {
    isKeyFileFaulty: isFaulty('keys'),
    isSnapshotFaulty: isFaulty('snapshot'),
    isDenyListFaulty: isFaulty('denied'),
    checkedAgeSeconds: readKeyFacts(nowMs).checkedAgeSeconds,
  });
}

/** GET /metrics. */
function metrics(r: NginxHTTPRequest): Promise<void> {
  const make: Make = (variables, nowMs) => formatMetrics(metricsTable, measure(variables, nowMs));
  return answer(r, { name: 'metrics', mediaType: prometheusMediaType, make });
}

/** GET /status.json. */
function statusJson(r: NginxHTTPRequest): Promise<void> {
  return answer(r, { name: 'json', mediaType: 'application/json', make: json });
}

/** GET /status. */
function status(r: NginxHTTPRequest): Promise<void> {
  const make: Make = (variables, nowMs) => renderStatusPage(readStatus(variables, nowMs));
  return answer(r, { name: 'page', mediaType: 'text/html; charset=utf-8', csp: statusPageCsp, make });
}

async function answer(r: NginxHTTPRequest, { name, mediaType, csp, make }: Answer): Promise<void> {
  try {
    await refreshSidecar(r);
    const text = recallOrMake(name, () => make(r.variables, Date.now()));

    r.headersOut['Content-Type'] = mediaType;
    if (csp !== undefined) r.headersOut['Content-Security-Policy'] = csp;
    r.return(200, text);
  } catch (e) {
    r.error('keygate: no metrics: ' + oneLine(e)); // njs 0.8.9 logs no exception after the first await
    r.return(500, '');
  }
}

function recallOrMake(name: string, make: () => string): string {
  const nowMs = Date.now();
  const kept = readText(`answer:${name}`);
  const end = kept === undefined ? -1 : kept.indexOf('\n');
  if (kept !== undefined && isRecent(kept.slice(0, end), nowMs)) return kept.slice(end + 1);
  const text = make();
  keepText(`answer:${name}`, nowMs + '\n' + text);
  return text;
}

function isRecent(sinceMs: string | undefined, nowMs: number): boolean {
  return sinceMs !== undefined && Math.abs(nowMs - Number(sinceMs)) < keepMs;
}

async function refreshSidecar(r: NginxHTTPRequest): Promise<void> {
  const nowMs = Date.now();
  if (isRecent(readText('asked_ms'), nowMs)) return;
  keepText('asked_ms', String(nowMs));
  const question = makeQuestion();
  const facts = await askSidecar(r, 'metrics', question);
  takeAnswer(question, facts);
}

export default { metrics, status, statusJson, sample };
