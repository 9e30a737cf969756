// An operator who opens /status, and a client whose key id or reason would like to become markup there.

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { judgeStatus } from '../../monitoring/judge_status.js';
import { pageStyle } from '../../monitoring/page_style.js';
import { renderStatusPage, statusPageCsp } from '../../monitoring/status_page.js';
import { degradedStatus, failingStatus, healthyFacts, healthyFiles, now, okStatus } from './statuses.js';

describe('the policy of the page', () => {
  it('allows the style of the page by its hash, an icon, and nothing else', () => {
    const hash = createHash('sha256').update(pageStyle).digest('base64');
    expect(statusPageCsp).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; img-src data:; ` +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect(renderStatusPage(okStatus)).toContain(`<style>${pageStyle}</style>`);
  });
});

describe('the page', () => {
  it.each([
    ['OK', okStatus],
    ['degraded', degradedStatus],
    ['failing', failingStatus],
  ])('says %s first in its title and in its heading', (word, status) => {
    const page = renderStatusPage(status);
    expect(page).toContain(`<title>${word} · Keygate</title>`);
    expect(page).toContain(`<span>Keygate is ${word}</span>`);
    expect(page.match(/<h1/g)).toHaveLength(1);
    for (const problem of status.problems) expect(page).toContain(`<li>${problem}</li>`);
  });

  it('holds no script, no handler, no style attribute and no address outside', () => {
    for (const status of [okStatus, degradedStatus, failingStatus]) {
      const page = renderStatusPage(status);
      expect(page).not.toMatch(/<script|\son\w+=|\sstyle=|javascript:|http-equiv|<iframe|<form|@import|url\(/i);
      const links = [...page.matchAll(/\s(?:href|src)="([^"]*)"/g)].map((match) => match[1]);
      expect(links.filter((link) => !link?.startsWith('data:'))).toEqual(['status', 'status.json', 'metrics']);
    }
  });

  it.each([
    ['<img src=x onerror=alert(1)>', '&lt;img src=x onerror=alert(1)&gt;'],
    ['"\'&', '&quot;&#39;&amp;'],
    ['a\u202eb\u0000\u200b', 'a\\u202eb\\u0000\\u200b'],
    ['Zoë 鍵 🔑', 'Zoë 鍵 🔑'],
  ])('shows %j as text wherever it comes from outside', (value, shown) => {
    const facts = {
      ...healthyFacts,
      version: value,
      nginx: value,
      njs: value,
      engine: value,
      refusals: [{ reason: value, count: 1 }],
      keys: { ...healthyFacts.keys, used: [{ key: value, requests: 1, refusals: 0, lastUsed: now }] },
      jwks: [{ source: value, keys: 1, ageSeconds: 1, faulty: true }],
      zones: [{ zone: value, bytes: 100, used: 90 }],
    };
    const page = renderStatusPage(judgeStatus(facts, healthyFiles));
    expect(page.split(shown).length - 1).toBe(10);
    if (shown !== value) expect(page).not.toContain(value);
  });

  it('says what a reason means, and shares that add up', () => {
    const page = renderStatusPage(okStatus);
    expect(page).toContain('<code>unknown_key</code><span class="quiet">The API key is not valid.</span>');
    expect(page).toContain('<td>402</td>');
    expect(page).toContain('<caption>1,207 refusals by reason</caption>');
    expect(page).toMatch(/<td>33 %<svg/);
  });

  it('shows 50 of 1,234 keys, the last used first, and never a time for a key without use', () => {
    const page = renderStatusPage(failingStatus);
    expect(page).toContain('<caption>The 50 keys that were used last, of 1,234</caption>');
    expect(page.match(/<td>never <\/td>/g)).toHaveLength(2);
  });

  it('says so where there is nothing to show yet', () => {
    const page = renderStatusPage({
      ...okStatus,
      rates: [],
      refusals: [],
      jwks: [],
      zones: [],
      connections: null,
      certificateExpires: null,
      keys: { count: 0, unusable: 0, ageSeconds: null, used: [] },
    });
    expect(page.match(/No rates yet/g)).toHaveLength(3);
    expect(page).toContain('No request was refused.');
    expect(page).toContain('No key was used yet.');
    expect(page).toContain('never read');
    expect(page).not.toContain('Certificate');
  });

  it('does not call a sidecar that nobody needs a fault', () => {
    const sidecar = { up: false, needed: false, queue: 0, minted: 0 };
    const facts = {
      ...healthyFacts,
      sidecar,
      components: { ...healthyFacts.components, verifier: 'failing' as const },
    };
    const status = judgeStatus(facts, healthyFiles);
    expect(status.status).toBe('ok');
    expect(renderStatusPage(status)).toContain('not in use');
  });
});
