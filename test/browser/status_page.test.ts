// A person who opens /status: on a phone or a desk, by day or by night, with a keyboard or a screen reader.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { renderStatusPage, statusPageCsp } from '../../monitoring/status_page.js';
import { degradedStatus, failingStatus, okStatus } from '../monitoring/statuses.js';
import { findChromium, type Chromium } from './chromium.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const statuses = { ok: okStatus, degraded: degradedStatus, failing: failingStatus };

const found = findChromium();
if ('missing' in found) console.warn(`SKIPPED: no Chromium for the tests of the page /status: ${found.missing}`);

const views = Object.keys(statuses).flatMap((name) =>
  [320, 360, 1280].flatMap((width) => ['light', 'dark'].map((scheme) => ({ name, width, scheme }))),
) as { name: keyof typeof statuses; width: number; scheme: 'light' | 'dark' }[];

describe.skipIf('missing' in found)('the page /status in Chromium', () => {
  let browser: Browser;
  const server = createServer((request, response) => {
    const name = request.url?.slice(1).split('/')[0] as keyof typeof statuses;
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.setHeader('Content-Security-Policy', statusPageCsp);
    response.end(renderStatusPage(statuses[name]));
  });
  const seen = { requests: [] as string[], messages: [] as string[] };

  beforeAll(async () => {
    const { executablePath, args, env } = found as Chromium;
    const environment = { ...process.env, ...env } as { [name: string]: string };
    browser = await chromium.launch({ executablePath, args, env: environment, chromiumSandbox: false });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  afterAll(async () => {
    await browser?.close();
    server.close();
  });

  const address = (name: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}/status`;

  async function open(name: string, options: BrowserContextOptions): Promise<Page> {
    const page = await browser.newPage(options);
    seen.requests = [];
    seen.messages = [];
    page.on('request', (request) => seen.requests.push(request.url()));
    page.on('console', (message) => seen.messages.push(message.text()));
    page.on('pageerror', (error) => seen.messages.push(error.message));
    await page.goto(address(name));
    return page;
  }

  it.each(views)('$name at $width px in $scheme asks for nothing else and fits', async ({ name, width, scheme }) => {
    const page = await open(name, { viewport: { width, height: 800 }, colorScheme: scheme });
    const colours = { ok: 'rgb(20, 104, 58)', degraded: 'rgb(255, 198, 69)', failing: 'rgb(179, 25, 31)' };
    const fill = await page.evaluate(styleScript('.banner', 'backgroundColor'));
    expect(fill).toBe(colours[name]); // the policy lets the style through
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    expect(seen.messages).toEqual([]);
    expect(seen.requests.filter((url) => !url.startsWith('data:'))).toEqual([address(name)]);
    await page.close();
  });

  it.each(views.filter(({ width }) => width !== 320))(
    '$name at $width px in $scheme breaks no rule of WCAG 2.2 AA',
    async ({ name, width, scheme }) => {
      const page = await open(name, { viewport: { width, height: 800 }, colorScheme: scheme, bypassCSP: true });
      await page.evaluate(axe);
      const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
      const run = `axe.run(document, { runOnly: ${JSON.stringify(tags)} })`;
      const { violations, passes } = (await page.evaluate(run)) as { violations: Finding[]; passes: Finding[] };
      expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
      expect(passes.map(({ id }) => id)).toEqual(expect.arrayContaining(['color-contrast', 'document-title']));
      await page.close();
    },
  );

  it.each(['light', 'dark'] as const)('draws its graphics with a contrast of 3:1 in %s', async (colorScheme) => {
    const page = await open('failing', { colorScheme });
    for (const [selector, property] of graphics) {
      const contrast = (await page.evaluate(contrastScript(selector, property))) as number;
      expect(contrast, selector).toBeGreaterThanOrEqual(3);
    }
    await page.close();
  });

  it.each(['light', 'dark'] as const)('shows the focus on each link in turn in %s', async (colorScheme) => {
    const page = await open('failing', { colorScheme });
    const focused: unknown[] = [];
    for (let i = 0; i < 3; i++) {
      await page.keyboard.press('Tab');
      focused.push(await page.evaluate(focusScript));
    }
    const outline = { style: 'solid', width: '3px' };
    expect(focused).toEqual(['Reload', 'as JSON', 'for Prometheus'].map((text) => ({ text, ...outline })));
    expect(await page.evaluate(scrollableScript)).toEqual([]); // what a keyboard could not scroll
    await page.close();
  });

  it('leads to its neighbours by its links', async () => {
    const page = await open('ok', {});
    const links = await page.evaluate('[...document.links].map((one) => one.href)');
    const folder = address('ok').replace(/status$/, '');
    expect(links).toEqual([`${folder}status`, `${folder}status.json`, `${folder}metrics`]);
    await page.close();
  });

  it('prints in black on white', async () => {
    const page = await open('failing', { colorScheme: 'dark' });
    await page.emulateMedia({ media: 'print' });
    for (const selector of ['.banner', 'table']) {
      expect(await page.evaluate(styleScript(selector, 'backgroundColor'))).toBe('rgb(255, 255, 255)');
      expect(await page.evaluate(styleScript(selector, 'color'))).toBe('rgb(0, 0, 0)');
    }
    await page.close();
  });
});

interface Finding {
  id: string;
  nodes: { html: string }[];
}

const graphics = [
  ['.requests .line', 'stroke'],
  ['.chart.refused .line', 'stroke'],
  ['.chart.failed .line', 'stroke'],
  ['.bar rect:not(.rest)', 'fill'],
  ['.card.failing .sign', 'fill'],
  ['td .degraded .sign, td .degraded.state .sign', 'fill'],
] as const;

const styleScript = (selector: string, property: string) =>
  `getComputedStyle(document.querySelector('${selector}')).${property}`;

// Against the card below, by WCAG's formula of relative luminance.
const contrastScript = (selector: string, property: string) => `(() => {
  const element = document.querySelector(${JSON.stringify(selector)});
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => part / 255)
      .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const one = luminance(getComputedStyle(element).${property});
  const other = luminance(getComputedStyle(element.closest('.card')).backgroundColor);
  return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
})()`;

const focusScript = `(() => {
  const { outlineStyle: style, outlineWidth: width } = getComputedStyle(document.activeElement);
  return { text: document.activeElement.textContent, style, width };
})()`;

const scrollableScript = `[...document.querySelectorAll('body *')]
  .filter((one) => /auto|scroll/.test(getComputedStyle(one).overflow))
  .map((one) => one.outerHTML.slice(0, 80))`;
