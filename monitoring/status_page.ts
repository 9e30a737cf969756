// The page /status for people: one HTML document without scripts and without outside resources.

import { escapeHtml, timeElement } from './html.js';
import { pageStyle, pageStyleHash } from './page_style.js';
import { renderAbout, renderJwks, renderKeys, renderParts, renderRates } from './page_sections.js';
import { renderRefusals, renderSign, renderZones } from './page_sections.js';
import type { Status } from './status.js';
import { formatAge, formatUtc } from './status_words.js';

/** The Content-Security-Policy that goes with the page: its own style and its icon, and nothing else. */
export const statusPageCsp =
  `default-src 'none'; style-src 'sha256-${pageStyleHash}'; img-src data:; ` +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** @returns the whole page; its links lead to the neighbours `status.json` and `metrics` */
export function renderStatusPage(status: Status): string {
  return [
    '<!doctype html>\n<html lang="en">\n',
    renderHead(status),
    '<body>\n',
    renderBanner(status),
    '<main>\n',
    renderParts(status),
    renderRates(status),
    '<div class="columns"><div>\n',
    renderRefusals(status),
    renderJwks(status),
    renderZones(status),
    renderAbout(status),
    '</div><div>\n',
    renderKeys(status),
    '</div></div>\n</main>\n',
    '<footer><p>The same facts: <a href="status.json">as JSON</a>, <a href="metrics">for Prometheus</a>, ',
    'and in a terminal by <code>keygate status</code>. All times are UTC.</p></footer>\n',
    '</body>\n</html>\n',
  ].join('');
}

function renderHead({ status }: Status): string {
  return [
    '<head>\n<meta charset="utf-8">\n',
    `<title>${nameOf(status)} · Keygate</title>\n`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
    '<meta name="color-scheme" content="light dark">\n',
    `<link rel="icon" href="data:image/svg+xml,${renderIcon(status)}">\n`,
    `<style>${pageStyle}</style>\n</head>\n`,
  ].join('');
}

function nameOf(condition: Status['status']): string {
  return condition === 'ok' ? 'OK' : condition;
}

// A tab among many shows the state by shape and colour.
function renderIcon(condition: Status['status']): string {
  const shapes = {
    ok: "%3Ccircle cx='8' cy='8' r='7' fill='%23188048'/%3E",
    degraded: "%3Cpath d='M8 1L16 15H0z' fill='%23d98a00'/%3E",
    failing: "%3Cpath d='M5 0h6l5 5v6l-5 5H5l-5-5V5z' fill='%23c62828'/%3E",
  };
  return `%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E${shapes[condition]}%3C/svg%3E`;
}

function renderBanner({ status, problems, now, started }: Status): string {
  const sentences = problems.map((problem) => `<li>${escapeHtml(problem)}</li>`);
  const many = problems.length > 5 ? ' class="many"' : '';
  return [
    `<header class="banner ${status}"><div class="inner">\n`,
    `<h1>${renderSign(status)}<span>Keygate is ${nameOf(status)}</span></h1>\n`,
    sentences.length === 0 ? '<p>Nothing is wrong.</p>\n' : `<ul${many}>${sentences.join('')}</ul>\n`,
    `<p class="when"><span>As of ${timeElement(now, formatUtc(now))}</span> `,
    `<span>Up for ${formatAge(now - started)}, since ${timeElement(started, formatUtc(started))}</span> `,
    '<a href="status">Reload</a></p>\n</div></header>\n',
  ].join('');
}
