// An operator who reads /metrics and believes each number; strangers who would read them too, or make them lie.

import { hashSync } from '@node-rs/bcrypt';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send, sendRaw } from './harness/client.js';
import { freePort } from './harness/free_port.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { samplesOf, scrapeAnew, scrapeUntil, total, type Samples } from './harness/metrics.js';
import { variants } from './harness/variants.js';

const secret = 's'.repeat(43);
const known = `kg_Ab3dE6gH_${secret}`;
const hashed = `kg_Hh3dE6gH_${secret}`;
const keys = `${known} id=Ab3dE6gH scope=chat\n${hashed.replace(/.*/, (one) => hashSync(one, 4))} id=Hh3dE6gH\n`;
const withKey = (key: string) => ({ headers: { 'x-api-key': key } });
const requests = (samples: Samples) => total(samples, 'keygate_requests_total');

describe.each(variants)('$name: metrics', (variant) => {
  let gateway: Gateway;
  let port: number;

  beforeAll(async () => {
    port = await freePort();
    const env = { METRICS_PORT: String(port), RATE_LIMIT_AUTH: '1r/m', RATE_LIMIT_AUTH_BURST: '3' };
    gateway = await startGateway({ variant, keys, env, workers: 2 });
  });
  afterAll(() => gateway.stop());

  it('count each request of a mix once, by route, status, method, reason and key', async () => {
    for (let i = 0; i < 3; i++) await gateway.send('/v1/models', withKey(known));
    await gateway.send('/v1/models', withKey(hashed));
    await gateway.send('/v1/models');
    for (let i = 0; i < 5; i++) await gateway.send('/v1/models', withKey('unknown'));
    const minted = await gateway.send('/token', { method: 'POST', ...withKey(known), from: '127.0.0.9' });
    const token = String(minted.json()['token']);
    await gateway.send('/v1/models', { headers: { authorization: `Bearer ${token}` } });
    await gateway.send('/.well-known/jwks.json');
    for (const path of ['/health', '/health/ready']) await gateway.send(path);
    await sendRaw(gateway.url, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n');
    const samples = await scrapeUntil(port, (one) => requests(one) >= 14);
    expect(samplesOf(samples, 'keygate_requests_total')).toEqual({
      '{route="api",code="2xx",auth="api_key"}': 4,
      '{route="api",code="2xx",auth="jwt"}': 1,
      '{route="api",code="4xx",auth="none"}': 6,
      '{route="jwks",code="2xx",auth="none"}': 1,
      '{route="other",code="4xx",auth="none"}': 1,
      '{route="token",code="2xx",auth="none"}': 1,
    });
    expect(samplesOf(samples, 'keygate_decisions_total')).toEqual({
      '{verdict="admitted",reason=""}': 6,
      '{verdict="refused",reason="missing_credential"}': 1,
      '{verdict="refused",reason="rate_limited"}': 1,
      '{verdict="refused",reason="unknown_key"}': 4,
    });
    expect(samplesOf(samples, 'keygate_limited_total')).toEqual({
      '{limit="address"}': 0,
      '{limit="failures"}': 1,
      '{limit="key"}': 0,
    });
    expect(samplesOf(samples, 'keygate_key_requests_total')).toEqual({ '{key="Ab3dE6gH"}': 5, '{key="Hh3dE6gH"}': 1 });
    expect(samples.get('keygate_first_byte_seconds_count{route="api"}')).toBe(11);
    expect(samples.get('keygate_decision_seconds_count')).toBe(12);
    expect(total(samples, 'keygate_verdict_cache_total')).toBe(11);
    expect(samples.get('keygate_tokens_minted_total')).toBe(1);
    expect(samples.get('keygate_bcrypt_seconds_count')).toBeGreaterThan(0);
  });

  it('show the facts of the gateway', async () => {
    const samples = await scrapeUntil(port, (one) => one.get('keygate_sidecar_up') === 1);
    const { engine } = variant;
    const info = [...samples.keys()].find((key) => key.startsWith('keygate_build_info')) ?? '';
    expect(info).toMatch(
      new RegExp(`version="\\d+\\.\\d+\\.\\d+",nginx="1\\.\\d+\\.\\d+",njs="\\d[^"]*",engine="${engine}"`),
    );
    expect(samples.get('keygate_sidecar_up')).toBe(1);
    expect(samples.get('keygate_api_keys')).toBe(2);
    expect(samples.get('keygate_api_keys_unusable_lines')).toBe(0);
    expect(samples.get('keygate_jwks_keys{source="minting"}')).toBe(1);
    expect(samples.get('keygate_lost_counts_total')).toBe(0);
    expect(samples.get('keygate_generation_changes_total')).toBeGreaterThan(0);
    expect(samples.get('keygate_certificate_expiry_timestamp_seconds')).toBeGreaterThan(Date.now() / 1000);
    expect(samples.get('keygate_nginx_connections{state="active"}')).toBeGreaterThan(0);
    expect(samples.get('keygate_zone_used_bytes{zone="keygate_metrics"}')).toBeGreaterThan(0);
  });

  it('answer no other name, method or path, and never on the public port', async () => {
    const ask = (path: string, sending = {}) => send(`http://127.0.0.1:${port}`, path, sending);
    for (const host of ['evil.example', '127.0.0.1.evil.example', 'keygate_metrics_strangers', 'nginx']) {
      const answer = await ask('/metrics', { headers: { host } });
      expect(answer.status, host).toBe(421);
      expect(answer.body).not.toContain('keygate_');
    }
    for (const host of ['localhost', `127.0.0.1:${port}`, '[::1]']) {
      expect((await ask('/metrics', { headers: { host } })).status, host).toBe(200);
    }
    const refused = await ask('/metrics', { method: 'POST', body: 'x' });
    expect(refused).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
    expect((await ask('/metrics', { method: 'HEAD' })).status).toBe(200);
    for (const path of ['/', '/metrics/', '/_keygate_sidecar/metrics', '/_keygate_sample', '/token']) {
      expect((await ask(path)).status, path).toBe(404);
    }
    for (const path of ['/metrics', '/status', '/status.json']) {
      const { status, headers } = await ask(path, { headers: { origin: 'https://evil.example' } });
      expect(status).toBe(200);
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
      expect(headers['access-control-allow-origin']).toBeUndefined();
      expect((await gateway.send(path)).status).toBe(401);
      expect((await gateway.send(path, withKey(known))).body).toBe('upstream');
    }
    expect(gateway.accessLog()).not.toContain(`"status":421`);
    expect(
      gateway
        .accessLog()
        .split('\n')
        .some((line) => line.includes('"path":"/_keygate_s')),
    ).toBe(false);
  });

  it('are not public where a client names a route of theirs in other letters', async () => {
    const before = requests(await scrapeAnew(port));
    for (const path of ['/HEALTH', '/Token', '/health/']) await gateway.send(path);
    const samples = await scrapeUntil(port, (one) => requests(one) >= before + 3);
    expect(requests(samples)).toBe(before + 3);
    expect(total(samples, 'keygate_requests_total{route="token"')).toBe(1);
  });

  it('know when each key was last used, also after nginx was started anew', async () => {
    const lastUsed = 'keygate_key_last_used_timestamp_seconds{key="Ab3dE6gH"}';
    const used = (await scrapeUntil(port, (one) => one.has(lastUsed))).get(lastUsed) ?? 0;
    expect(Math.abs(Date.now() / 1000 - used)).toBeLessThan(30);
    const file = join(gateway.stateDir, 'last_used.json');
    const isStored = () => (JSON.parse(readFileSync(file, 'utf8')) as { [id: string]: number })['Ab3dE6gH'] ?? 0;
    for (let i = 0; i < 50 && isStored() < used; i++) await new Promise((resolve) => setTimeout(resolve, 100));
    const another = await startGateway({
      variant,
      keys,
      env: { METRICS_PORT: String(await freePort()) },
      edit: {
        // the sidecar of the gateway that runs, as after a restart of nginx alone
        'keygate/settings.conf': (text) =>
          text.replaceAll(/unix:[^;" ]*verifier\.sock/g, `unix:${join(gateway.stateDir, 'run', 'verifier.sock')}`),
      },
    });
    const metricsPort = /listen 127\.0\.0\.1:(\d+)/.exec(
      readFileSync(join(another.dir, 'nginx', 'keygate', 'metrics.conf'), 'utf8'),
    )?.[1];
    const samples = await scrapeUntil(Number(metricsPort), (one) => one.has(lastUsed));
    await another.stop();
    const restored = samples.get(lastUsed) ?? 0;
    expect(restored).toBeGreaterThanOrEqual(used);
    expect(restored).toBeLessThan(used + 5);
    expect(samples.get('keygate_key_requests_total{key="Ab3dE6gH"}')).toBe(0);
  });

  it('drop the series of a key that is gone, and count at most 1,000 keys by themselves', async () => {
    const before = await scrapeAnew(port);
    const gone = before.get('keygate_key_requests_total{key="Hh3dE6gH"}') ?? 0;
    const many = Array.from({ length: 1000 }, (_, i) => `kg_N${String(i).padStart(7, '0')}_${secret}`);
    const lines = many.map((key) => `${key} id=${key.split('_')[1]}`);
    writeFileSync(gateway.keysFile, `${lines.join('\n')}\n${known} id=Ab3dE6gH\n`);
    await scrapeUntil(port, (one) => one.get('keygate_api_keys') === 1001);
    const last = known;
    await gateway.send('/v1/models', withKey(last));
    await gateway.send('/v1/models', withKey(many[7] as string));
    const first = 'keygate_key_requests_total{key="N0000007"}';
    const samples = await scrapeUntil(port, (one) => one.get(first) === 1);
    const series = samplesOf(samples, 'keygate_key_requests_total');
    expect(Object.keys(series)).toHaveLength(1001);
    expect(series['{key="Ab3dE6gH"}']).toBeUndefined();
    expect(series['{key="other"}']).toBe(gone + (before.get('keygate_key_requests_total{key="Ab3dE6gH"}') ?? 0) + 1);
    const { status, body } = await send(`http://127.0.0.1:${port}`, '/status.json');
    expect(status).toBe(200);
    expect((JSON.parse(body) as { keys: { used: unknown[] } }).keys.used).toHaveLength(50);
  });
});

describe.each(variants)('$name: metrics of what does not end well', (variant) => {
  it('count a request once whose client goes away, before an answer and within a stream', async () => {
    const open: (() => void)[] = [];
    const streaming = createServer((asked, response) => {
      if (asked.url === '/stream') response.write('data: 1\n\n');
      open.push(() => response.destroy());
    });
    await new Promise<void>((resolve) => streaming.listen(0, '127.0.0.1', resolve));
    const port = await freePort();
    const upstreamUrl = `http://127.0.0.1:${(streaming.address() as AddressInfo).port}`;
    const env = { METRICS_PORT: String(port), UPSTREAM_URL: upstreamUrl };
    const gateway = await startGateway({ variant, keys, env });
    for (const path of ['/stream', '/silent', '/stream']) {
      await new Promise<void>((resolve) => {
        const sent = request(`${gateway.url}${path}`, { ...withKey(known), rejectUnauthorized: false }, (response) =>
          response.once('data', () => sent.destroy()),
        );
        sent.on('error', () => undefined);
        sent.on('close', resolve);
        sent.end();
        if (path === '/silent') setTimeout(() => sent.destroy(), 300);
      });
    }
    const samples = await scrapeUntil(port, (one) => requests(one) >= 3);
    for (const close of open) close();
    await gateway.stop();
    await new Promise((resolve) => streaming.close(resolve));
    expect(samplesOf(samples, 'keygate_requests_total')).toEqual({
      '{route="api",code="2xx",auth="api_key"}': 2,
      '{route="api",code="4xx",auth="api_key"}': 1,
    });
  });

  it('tell a request that the limit of its address refused', async () => {
    const port = await freePort();
    const env = { METRICS_PORT: String(port), RATE_LIMIT_API: '1r/m', RATE_LIMIT_API_BURST: '1' };
    const gateway = await startGateway({ variant, keys, env, sidecar: false });
    for (let i = 0; i < 4; i++) await gateway.send('/v1/models', withKey(known));
    const samples = await scrapeUntil(port, (one) => requests(one) >= 4);
    await gateway.stop();
    expect(samples.get('keygate_limited_total{limit="address"}')).toBe(2);
    expect(samples.get('keygate_requests_total{route="api",code="4xx",auth="none"}')).toBe(2);
    expect(samples.get('keygate_sidecar_up')).toBe(0);
  });

  it('count a refusal under the key that was refused, where the key is genuine', async () => {
    const port = await freePort();
    const [expired, expiredHashed] = [`kg_Ex3dE6gH_${secret}`, `kg_Eh3dE6gH_${secret}`];
    const old = `${expired} id=Ex3dE6gH expires=2020-01-01\n${hashSync(expiredHashed, 4)} id=Eh3dE6gH expires=2020-01-01\n`;
    const gateway = await startGateway({ variant, keys: `${keys}${old}`, env: { METRICS_PORT: String(port) } });
    for (const key of [expired, expiredHashed, expired, expiredHashed, 'unknown', known])
      await gateway.send('/v1/models', withKey(key));
    const ask = (key: string, body: string) =>
      gateway.send('/token', {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body,
      });
    await ask(known, '{"scope":"admin"}');
    await ask(expired, '');
    const token = String((await ask(known, '')).json()['token']);
    writeFileSync(gateway.keysFile, `${keys.replace(known, `${known}x`)}${old}`);
    const bearer = { headers: { authorization: `Bearer ${token}` } };
    for (let i = 0; i < 50 && (await gateway.send('/', bearer)).status !== 401; i++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    const samples = await scrapeUntil(
      port,
      (one) => total(one, 'keygate_decisions_total{verdict="refused",reason="token') > 0,
    );
    await gateway.stop();
    expect(samplesOf(samples, 'keygate_key_refusals_total')).toEqual({
      '{key="Ab3dE6gH"}': 1,
      '{key="Eh3dE6gH"}': 2,
      '{key="Ex3dE6gH"}': 3,
      '{key="Hh3dE6gH"}': 0,
    });
    expect(samples.get('keygate_key_requests_total{key="Ex3dE6gH"}')).toBe(3);
  });

  it('are nowhere with METRICS_PORT=off', async () => {
    const gateway = await startGateway({ variant, keys, sidecar: false });
    const conf = readFileSync(join(gateway.dir, 'nginx', 'nginx.conf'), 'utf8');
    const included = [...conf.matchAll(/include (gateway\/\S+);/g)].map(([, name = '']) =>
      readFileSync(join(gateway.dir, 'nginx', name), 'utf8'),
    );
    await gateway.stop();
    expect(`${conf}${included.join('')}`).not.toMatch(/keygate_counted|keygate_counter|metrics\.conf;\n *js|9145/);
  });
});
