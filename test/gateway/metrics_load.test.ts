// An operator who believes each number under load, while scrapers ask too often, half, or for ever.

import { afterEach, describe, expect, it } from 'vitest';
import { send } from './harness/client.js';
import { freePort } from './harness/free_port.js';
import { startGateway, type Gateway, type GatewayOptions } from './harness/gateway.js';
import { startHanging } from './harness/hanging_scrapers.js';
import { sendMany } from './harness/kept_connections.js';
import { samplesOf, scrape, scrapeAnew, scrapeUntil, total, type Samples } from './harness/metrics.js';
import { variants } from './harness/variants.js';

const known = `kg_Ab3dE6gH_${'s'.repeat(43)}`;
const keys = `${known} id=Ab3dE6gH\n`;
const withKey = { 'x-api-key': known };
const requests = (samples: Samples) => total(samples, 'keygate_requests_total');

describe.each(variants)('$name: metrics under load', (variant) => {
  let gateway: Gateway;
  let port: number;
  afterEach(() => gateway?.stop());

  /** Starts a gateway whose upstream is nginx itself: the fastest there is. */
  const open = async (options: Omit<GatewayOptions, 'variant'> = {}) => {
    port = await freePort();
    const upstream = await freePort();
    const server = `server { listen 127.0.0.1:${upstream}; access_log off; location / { return 200 ok; } }\n}\n`;
    gateway = await startGateway({
      variant,
      keys,
      workers: 2,
      sidecar: false,
      ...options,
      env: { METRICS_PORT: String(port), UPSTREAM_URL: `http://127.0.0.1:${upstream}` },
      edit: { ...options.edit, 'nginx.conf': (conf) => conf.replace(/\}\s*$/, server) },
    });
  };

  // As many as take about five seconds on two cores.
  const many = variant.entry === 'access' ? 32000 : 8000;

  it(`count ${many.toLocaleString('en')} requests of eight connections exactly, with a reload in between`, async () => {
    await open();
    const start = await scrapeAnew(port);
    const [good, bad] = [many * 0.75, many * 0.25];
    const sending = [
      sendMany(gateway.url, { count: good, connections: 6, headers: withKey }),
      sendMany(gateway.url, { count: bad, connections: 2, headers: { 'x-api-key': 'unknown' } }),
    ];
    await new Promise((resolve) => setTimeout(resolve, 1000));
    gateway.nginx.reload();
    expect(await Promise.all(sending)).toEqual([{ 200: good }, { 401: bad }]);
    const samples = await scrapeUntil(port, (one) => requests(one) >= many);
    expect(samplesOf(samples, 'keygate_requests_total')).toEqual({
      '{route="api",code="2xx",auth="api_key"}': good,
      '{route="api",code="4xx",auth="none"}': bad,
    });
    expect(samplesOf(samples, 'keygate_decisions_total')).toEqual({
      '{verdict="admitted",reason=""}': good,
      '{verdict="refused",reason="unknown_key"}': bad,
    });
    expect(samples.get('keygate_key_requests_total{key="Ab3dE6gH"}')).toBe(good);
    expect(samples.get('keygate_first_byte_seconds_count{route="api"}')).toBe(many);
    expect(samples.get('keygate_decision_seconds_count')).toBe(many);
    expect(samples.get('keygate_lost_counts_total')).toBe(0);
    expect(samples.get('keygate_start_time_seconds')).toBe(start.get('keygate_start_time_seconds'));
  }, 90000);

  it('stay exact while 100 scrapes a second are answered', async () => {
    await open();
    const scrapes: Promise<number>[] = [];
    const scraper = setInterval(() => scrapes.push(scrape(port).then(requests)), 10);
    const answered = await sendMany(gateway.url, { count: 4000, connections: 8, headers: withKey });
    clearInterval(scraper);
    expect(answered).toEqual({ 200: 4000 });
    for (const seen of await Promise.all(scrapes)) expect(seen).toBeLessThanOrEqual(4000);
    const samples = await scrapeUntil(port, (one) => requests(one) >= 4000);
    expect(samplesOf(samples, 'keygate_requests_total')).toEqual({ '{route="api",code="2xx",auth="api_key"}': 4000 });
    expect(samples.get('keygate_key_requests_total{key="Ab3dE6gH"}')).toBe(4000);
    expect(samples.get('keygate_lost_counts_total')).toBe(0);
  });

  it('are there, and requests go on, while 200 scrapers hang in four ways, all of which nginx ends', async () => {
    await open();
    const active = (samples: Samples) => samples.get('keygate_nginx_connections{state="active"}') ?? NaN;
    const hanging = await startHanging(port, 200);
    for (let i = 1; i <= 4; i++) {
      expect(await sendMany(gateway.url, { count: 250, connections: 4, headers: withKey })).toEqual({ 200: 250 });
      const samples = await scrapeUntil(port, (one) => requests(one) >= 250 * i);
      expect(requests(samples)).toBe(250 * i);
      expect(active(samples)).toBeGreaterThan(100);
      expect(active(samples), 'who never reads holds no connection of nginx').toBeLessThan(190);
    }
    await hanging.end();
    expect(active(await scrapeUntil(port, (one) => active(one) < 20))).toBeLessThan(20);
  });

  it('say what they lost where their zones are full, and every request is decided', async () => {
    const ids = Array.from({ length: 1000 }, (_, i) => `N${String(i).padStart(7, '0')}`);
    const lines = ids.map((id) => `kg_${id}_${'s'.repeat(43)} id=${id}`);
    const smallest = (conf: string) => conf.replace(/(zone=keygate_metrics(?:_texts)?:)\dm/g, '$132k');
    await open({ keys: keys + lines.join('\n'), edit: { 'keygate/metrics.conf': smallest } });
    const start = await scrapeAnew(port);
    expect(start.get('keygate_zone_bytes{zone="keygate_metrics"}')).toBe(32768);
    expect(start.get('keygate_lost_counts_total')).toBeGreaterThan(0);
    const answered = await Promise.all([
      sendMany(gateway.url, { count: 200, connections: 4, headers: withKey }),
      sendMany(gateway.url, { count: 200, connections: 2 }),
      sendMany(gateway.url, { count: 200, connections: 2, headers: { 'x-api-key': 'unknown' } }),
    ]);
    expect(answered).toEqual([{ 200: 200 }, { 401: 200 }, { 401: 200 }]);
    const names = ['requests', 'decisions', 'key_requests', 'lost_counts'].map((name) => `keygate_${name}_total`);
    const sum = (samples: Samples) => names.reduce((all, name) => all + total(samples, name), 0);
    const samples = await scrapeAnew(port);
    // 600 requests, 600 decisions, and 200 times a key: each was counted, or its loss was.
    expect(sum(samples) - sum(start)).toBeGreaterThanOrEqual(1400);
    expect(gateway.errorLog()).not.toMatch(/exited on signal|no decision|no metrics/);
    for (const path of ['/status', '/status.json'])
      expect((await send(`http://127.0.0.1:${port}`, path)).status).toBe(200);
  });
});
