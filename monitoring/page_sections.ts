// The sections of the page /status: parts, rates, refusals, keys, JWKs, shared memory and versions.

import { isReason, refusals } from '../auth/refusals.js';
import { escapeHtml, timeElement } from './html.js';
import { isNearlyFull } from './judge_status.js';
import { findExtent, renderSparkline, type Point } from './sparkline.js';
import type { Condition, RateSample, Status } from './status.js';
import { describeParts } from './status_parts.js';
import { formatAge, formatAgo, formatBytes, formatCount, formatDay, formatMinute, formatNoun } from './status_words.js';
import { formatPercent, formatRate, formatTime } from './status_words.js';

/** A sign for a condition, beside its word: a tick, a triangle or a cross. */
export function renderSign(condition: Condition): string {
  const shapes = {
    ok: '<circle cx="8" cy="8" r="8"/><path class="mark" d="M4.2 8.4l2.6 2.6 5-5.6"/>',
    degraded: '<path d="M8 .6L16 15.4H0z"/><path class="mark" d="M8 6v4.2M8 12v1.6"/>',
    failing: '<path d="M4.7 0h6.6L16 4.7v6.6L11.3 16H4.7L0 11.3V4.7z"/><path class="mark" d="M5 5l6 6m0-6l-6 6"/>',
  };
  return `<svg class="sign" viewBox="0 0 16 16" aria-hidden="true">${shapes[condition]}</svg>`;
}

/** What is up: a card for each part. */
export function renderParts(status: Status): string {
  const cards = describeParts(status).map(({ name, condition, word, facts }) =>
    [
      `<li class="card ${condition}"><h3>${name}</h3>`,
      `<p class="state">${renderSign(condition)} ${word}</p>`,
      facts.length === 0 ? '' : `<p class="quiet">${facts.join('<br>')}</p>`,
      '</li>',
    ].join(''),
  );
  return section('parts', 'Parts', `<ul class="parts">${cards.join('')}</ul>`);
}

/** Requests, refusals and failures: the rates of the last minutes, and the totals. */
export function renderRates({ rates, requests }: Status): string {
  const points = (value: (sample: RateSample) => number) =>
    rates.map((sample): Point => ({ time: sample.time, value: value(sample) }));
  const charts = [
    renderChart(
      'Requests',
      requests.total,
      points((sample) => sample.requests),
    ),
    renderChart(
      'Refused',
      requests.refused,
      points((sample) => sample.refused),
    ),
    renderChart(
      'Failed',
      requests.failed,
      points((sample) => sample.failed),
    ),
  ];
  return section('rates', 'The last ten minutes', `<div class="charts">${charts.join('')}</div>`);
}

function renderChart(name: string, total: number, points: Point[]): string {
  const extent = findExtent(points);
  const rate = extent === undefined ? '-' : formatRate(extent.last.value);
  const explained = name === 'Failed' ? ' <span class="quiet">(5xx)</span>' : '';
  const drawn =
    extent === undefined
      ? '<p class="quiet">No rates yet: the first comes ten seconds after the start.</p>'
      : [
          renderSparkline(name, points),
          `<p class="axis">${timeElement(extent.first.time, formatMinute(extent.first.time))}`,
          `<span>${describePeak(extent.peak)}</span>`,
          `${timeElement(extent.last.time, formatMinute(extent.last.time))}</p>`,
        ].join('');
  return [
    `<div class="card chart ${name.toLowerCase()}"><h3>${name}${explained}</h3>`,
    `<p class="number"><strong>${rate}</strong>/s <span class="quiet">${formatCount(total)} in all</span></p>`,
    `${drawn}</div>`,
  ].join('');
}

function describePeak({ value, time }: Point): string {
  return value === 0 ? 'none' : `peak ${formatRate(value)}/s at ${formatMinute(time)}`;
}

/** Refusals by reason, with their share. */
export function renderRefusals({ refusals: counted }: Status): string {
  if (counted.length === 0) return section('refusals', 'Refusals', '<p class="quiet">No request was refused.</p>');
  const total = counted.reduce((sum, { count }) => sum + count, 0);
  const rows = counted.map(({ reason, count }) => {
    const message = isReason(reason) ? `<span class="quiet">${escapeHtml(refusals()[reason].message)}</span>` : '';
    const name = `<code>${escapeHtml(reason)}</code>${message}`;
    return [name, formatCount(count), formatPercent(count, total) + renderBar(count, total)];
  });
  return tableSection('refusals', 'Refusals', {
    caption: `${formatNoun(total, 'refusal')} by reason`,
    head: ['Reason', 'Count', 'Share'],
    rows,
  });
}

/** Keys by last use. */
export function renderKeys({ keys, now }: Status): string {
  if (keys.used.length === 0) return section('keys', 'Keys', '<p class="quiet">No key was used yet.</p>');
  const rows = keys.used.map(({ key, requests, refusals: refused, lastUsed }) => {
    const age = lastUsed === null ? 'never' : timeElement(lastUsed, formatAgo(now - lastUsed));
    const sameDay = lastUsed !== null && formatDay(lastUsed) === formatDay(now);
    const at = lastUsed === null ? '' : sameDay ? formatTime(lastUsed) : formatDay(lastUsed);
    const shown = at === '' ? '' : `<span class="quiet">${at}</span>`;
    return [`<code>${escapeHtml(key)}</code>`, formatCount(requests), formatCount(refused), `${age} ${shown}`];
  });
  const caption =
    keys.used.length < keys.count
      ? `The ${formatNoun(rows.length, 'key')} that were used last, of ${formatCount(keys.count)}`
      : 'By last use';
  return tableSection('keys', 'Keys', { caption, head: ['Key', 'Requests', 'Refused', 'Last used'], rows });
}

/** JWKs by source. */
export function renderJwks({ jwks }: Status): string {
  if (jwks.length === 0) return section('jwks', 'JWKs', '<p class="quiet">No source of JWKs is set.</p>');
  const rows = jwks.map(({ source, keys, ageSeconds, faulty }) => [
    `<code>${escapeHtml(source)}</code>`,
    formatCount(keys),
    ageSeconds === null ? 'never read' : formatAge(ageSeconds),
    renderState(faulty ? 'degraded' : 'ok', faulty ? 'faulty' : 'ok'),
  ]);
  return tableSection('jwks', 'JWKs', { caption: 'By source', head: ['Source', 'Keys', 'Age', 'State'], rows });
}

/** Zones of shared memory, with their fill. */
export function renderZones({ zones }: Status): string {
  const rows = zones.map((zone) => [
    `<code>${escapeHtml(zone.zone)}</code>`,
    `${formatBytes(zone.used)} <span class="quiet">of ${formatBytes(zone.bytes)}</span>`,
    formatPercent(zone.used, zone.bytes) +
      renderBar(zone.used, zone.bytes) +
      (isNearlyFull(zone) ? renderState('degraded', 'nearly full') : ''),
  ]);
  if (rows.length === 0) return '';
  return tableSection('zones', 'Shared memory', { caption: 'By zone', head: ['Zone', 'Used', 'Full'], rows });
}

/** Versions and nginx's connections. */
export function renderAbout(status: Status): string {
  const { connections: open } = status;
  const facts = [
    ['Keygate', escapeHtml(status.version)],
    ['nginx', escapeHtml(status.nginx)],
    ['njs', `${escapeHtml(status.njs)} <span class="quiet">(engine ${escapeHtml(status.engine)})</span>`],
  ];
  if (open !== null) {
    const states = `${open.reading} reading, ${open.writing} writing, ${open.waiting} waiting`;
    facts.push(['Connections', `${formatCount(open.active)} <span class="quiet">(${states})</span>`]);
  }
  const rows = facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${value}</dd></div>`);
  return section('about', 'Versions', `<dl class="card">${rows.join('')}</dl>`);
}

function renderState(condition: Condition, word: string): string {
  return `<span class="${condition} state">${renderSign(condition)} ${word}</span>`;
}

// By attributes: the page's policy allows no style attribute.
function renderBar(part: number, whole: number): string {
  const filled = whole <= 0 ? 0 : Math.round(Math.min(1, part / whole) * 1000) / 10;
  return [
    '<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">',
    `<rect class="rest" width="100" height="4"/><rect width="${filled}" height="4"/></svg>`,
  ].join('');
}

function section(id: string, title: string, content: string): string {
  return `<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>\n${content}\n</section>\n`;
}

interface Table {
  caption: string;
  head: string[];
  /** Cells are HTML; the first cell of a row names it. */
  rows: string[][];
}

function tableSection(id: string, title: string, { caption, head, rows }: Table): string {
  const headings = head.map((name) => `<th scope="col">${name}</th>`).join('');
  const body = rows.map(([name, ...cells]) =>
    ['<tr><th scope="row">', name, '</th>', ...cells.map((cell) => `<td>${cell}</td>`), '</tr>'].join(''),
  );
  const parts = [
    `<table class="card"><caption>${caption}</caption><thead><tr>${headings}</tr></thead><tbody>`,
    ...body,
    '</tbody></table>',
  ];
  return section(id, title, parts.join('\n'));
}
