// How `keygate status` writes a status for a terminal: the facts of the page /status, in aligned columns.

import { styleText } from 'node:util';
import { escapeCode } from '../../monitoring/html.js';
import { isNearlyFull } from '../../monitoring/judge_status.js';
import { findExtent } from '../../monitoring/sparkline.js';
import type { RateSample, Status } from '../../monitoring/status.js';
import { describeParts } from '../../monitoring/status_parts.js';
import {
  formatAge,
  formatAgo,
  formatBytes,
  formatCount,
  formatMinute,
  formatPercent,
  formatRate,
  formatUtc,
} from '../../monitoring/status_words.js';

/** @returns a text in printable ASCII; anything else is written as its code, such as `\u202e` */
export function printableText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (character) => escapeCode(character.charCodeAt(0)));
}

/**
 * Writes a status.
 * @param isColoured whether the terminal shows colours
 * @returns lines of printable ASCII
 */
export function statusLines(status: Status, isColoured: boolean): string[] {
  const colours = { ok: 'green', degraded: 'yellow', failing: 'red' } as const;
  const word = status.status === 'ok' ? 'OK' : status.status;
  const { now, started } = status;
  const heading = `Keygate is ${word}`;
  return [
    isColoured ? styleText(['bold', colours[status.status]], heading, { validateStream: false }) : heading,
    ...status.problems.map((problem) => `  ! ${printableText(problem)}`),
    '',
    `As of ${formatUtc(now)}, up for ${formatAge(now - started)} since ${formatUtc(started)}`,
    ...versionLines(status),
    ...table('Parts', ['', 'state'], partRows(status)),
    ...table('The last ten minutes', ['', 'now', 'peak', 'at', 'in all'], rateRows(status)),
    ...table('Refusals', ['reason', 'count'], refusalRows(status)),
    ...table('Keys by last use', ['key', 'requests', 'refused', 'last used'], keyRows(status)),
    ...table('JWKs', ['source', 'keys', 'age', 'state'], jwksRows(status)),
    ...table('Shared memory', ['zone', 'used', 'of', 'full'], zoneRows(status)),
  ];
}

function versionLines({ version, nginx, njs, engine, connections }: Status): string[] {
  const versions = printableText(`Keygate ${version}, nginx ${nginx}, njs ${njs} (engine ${engine})`);
  if (connections === null) return [versions];
  const { active, reading, writing, waiting } = connections;
  return [versions, `${formatCount(active)} connections: ${reading} reading, ${writing} writing, ${waiting} waiting`];
}

const partRows = (status: Status) =>
  describeParts(status).map(({ name, word, facts }) => [name, word, facts.join(', ')]);

function rateRows({ rates, requests }: Status): string[][] {
  const row = (name: string, total: number, value: (sample: RateSample) => number) => {
    const extent = findExtent(rates.map((sample) => ({ time: sample.time, value: value(sample) })));
    const { last, peak } = extent ?? {};
    return [
      name,
      last === undefined ? '-' : `${formatRate(last.value)}/s`,
      peak === undefined ? '-' : `${formatRate(peak.value)}/s`,
      peak === undefined || peak.value === 0 ? '-' : formatMinute(peak.time),
      formatCount(total),
    ];
  };
  return [
    row('requests', requests.total, (sample) => sample.requests),
    row('refused', requests.refused, (sample) => sample.refused),
    row('failed (5xx)', requests.failed, (sample) => sample.failed),
  ];
}

const refusalRows = ({ refusals }: Status) => refusals.map(({ reason, count }) => [reason, formatCount(count)]);

const keyRows = ({ keys, now }: Status) =>
  keys.used.map(({ key, requests, refusals, lastUsed }) => [
    key,
    formatCount(requests),
    formatCount(refusals),
    lastUsed === null ? 'never' : `${formatAgo(now - lastUsed)}, ${formatUtc(lastUsed)}`,
  ]);

const jwksRows = ({ jwks }: Status) =>
  jwks.map(({ source, keys, ageSeconds, faulty }) => [
    source,
    formatCount(keys),
    ageSeconds === null ? 'never read' : formatAge(ageSeconds),
    faulty ? 'faulty' : 'ok',
  ]);

const zoneRows = ({ zones }: Status) =>
  zones.map((zone) => [
    zone.zone,
    formatBytes(zone.used),
    formatBytes(zone.bytes),
    formatPercent(zone.used, zone.bytes) + (isNearlyFull(zone) ? ', nearly full' : ''),
  ]);

// Numbers to the right, texts to the left; no blanks at the end of a line.
function table(title: string, head: string[], rows: string[][]): string[] {
  if (rows.length === 0) return ['', `${title}: none`];
  const cells = [head, ...rows].map((row) => row.map(printableText));
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  const isNumber = widths.map((_, column) =>
    rows.every((row) => /^(?:[-\d,.]+(?:\/s| [KM]?B)?)$/.test(row[column] ?? '')),
  );
  const lines = cells.map((row) =>
    widths
      .map((width, column) => {
        const cell = row[column] ?? '';
        return isNumber[column] === true ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
  return ['', title, ...lines.map((text) => `  ${text}`.trimEnd())];
}
