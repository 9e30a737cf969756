// Containers that are killed, restarted and reloaded under load.

import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { exec } from 'node:child_process';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { send } from '../gateway/harness/client.js';
import { describeWithEngine } from './harness/engine.js';
import { startLoad, type Load } from './harness/load.js';
import { killFromOutside, services, startStack, type Stack } from './harness/stack.js';

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describeWithEngine('a stack under load', () => {
  let stack: Stack;
  let digestKey = '';
  let bcryptKey = '';
  let jwt = '';

  const newKey = (words: string) =>
    stack.run(`docker compose run --rm verifier keygate key new ${words}`).stdout.split('\n')[0] as string;
  const mint = (key: string) =>
    send(stack.url, '/token', { method: 'POST', headers: { 'x-api-key': key } }).catch(() => undefined);
  const statusFor = (key: string) =>
    send(stack.url, '/v1/models', { headers: { 'x-api-key': key } }).then(
      ({ status }) => status,
      () => 0,
    );
  const known = () => ({ digestKey, bcryptKey, jwt });
  const served = () =>
    new Promise<string>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: stack.port, rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      });
      socket.on('error', reject);
    });

  beforeAll(async () => {
    stack = await startStack('keygate-outages', ({ dir, run }) => {
      mkdirSync(join(dir, 'certs'));
      run(makePair);
      // Keys of another issuer beside the certificate: the verifier does not see them, and must mint as `keygate` all
      // the same.
      const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
      writeFileSync(join(dir, 'certs', 'jwks.json'), JSON.stringify({ keys: [{ ...jwk, kid: 'other' }] }));
      const limits = { RATE_LIMIT_API: 'off', RATE_LIMIT_AUTH: 'off' };
      return { ...limits, HOST_CERTS_DIR: './certs', JWT_ISSUER: 'https://other.example' };
    });
    digestKey = newKey('digest');
    bcryptKey = newKey('hashed --bcrypt');
    await vi.waitFor(async () => expect(await statusFor(bcryptKey)).toBe(200), 20000);
    jwt = (JSON.parse((await mint(digestKey))?.body ?? '{}') as { token: string }).token;
  });
  afterAll(() => stack?.stop());

  it('streams to the OpenAI SDK chunk by chunk', async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'; // the certificate is self-signed
    const client = new OpenAI({ apiKey: digestKey, baseURL: `${stack.url}/v1`, maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'hi' }];
    const stream = await client.chat.completions.create({ model: 'gpt-4.1', messages, stream: true });
    const arrivals: number[] = [];
    for await (const chunk of stream) if (chunk !== undefined) arrivals.push(Date.now());
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    expect((arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0)).toBeGreaterThan(200);
  });

  it('serves JWTs and known keys while the verifier is killed, and loses nothing', async () => {
    const before = (await mint(bcryptKey))?.status;
    const load = startLoad(stack.url, known());
    const killed = killFromOutside(stack, 'verifier');
    await pause(3000);
    await expect.poll(async () => (await mint(digestKey))?.status, { timeout: 20000 }).toBe(200);
    expect(before).toBe(200);
    expect(stack.inspect('verifier').State.Pid).not.toBe(killed);
    await expectAllServed(load);
  });

  it('serves them while the verifier is restarted by compose', async () => {
    const load = startLoad(stack.url, known());
    expect(stack.run('docker compose restart verifier').status).toBe(0);
    await expect.poll(async () => (await mint(digestKey))?.status, { timeout: 20000 }).toBe(200);
    await expectAllServed(load);
  });

  it('serves them while the verifier is away, and says 503 for what needs it', async () => {
    stack.run('docker compose stop verifier');
    const load = startLoad(stack.url, known());
    await pause(2000);
    expect((await mint(digestKey))?.status).toBe(503);
    await expectAllServed(load);
    stack.run('docker compose start verifier');
    await expect.poll(async () => (await mint(digestKey))?.status, { timeout: 20000 }).toBe(200);
  });

  it('answers 502 while the upstream is killed, and goes on when it is back', async () => {
    const load = startLoad(stack.url, known());
    const killed = killFromOutside(stack, 'demo-upstream');
    await pause(500);
    await expect.poll(() => statusFor(digestKey), { timeout: 20000 }).toBe(200);
    expect(stack.inspect('demo-upstream').State.Pid).not.toBe(killed);
    const outcomes = new Set(Object.values(await load.stop()).flatMap((counts) => Object.keys(counts)));
    for (const outcome of outcomes) expect(['200', '502']).toContain(outcome);
  });

  it('finds the upstream again under another address', async () => {
    const network = `${stack.project}_demo`;
    const container = `${stack.project}-demo-upstream-1`;
    stack.run(`docker network disconnect ${network} ${container}`);
    const other = stack.run(`docker run -d --rm --network ${network} ${stack.project}-verifier sleep 60`).stdout.trim();
    stack.run(`docker network connect --alias demo-upstream ${network} ${container}`);
    await expect.poll(() => statusFor(digestKey), { timeout: 20000 }).toBe(200);
    stack.run(`docker rm -f ${other}`);
  });

  it('starts nginx again when it is killed; tokens and keys stay valid', async () => {
    const killed = killFromOutside(stack, 'nginx');
    await expect.poll(() => statusFor(digestKey), { timeout: 20000 }).toBe(200);
    expect(stack.inspect('nginx').State.Pid).not.toBe(killed);
    expect(await statusFor(jwt)).toBe(200);
    expect(await statusFor(bcryptKey)).toBe(200);
  });

  it('fails no request over five reloads', async () => {
    const load = startLoad(stack.url, known());
    for (let i = 0; i < 5; i++) {
      expect(stack.run('docker compose exec -T nginx nginx -s reload').status).toBe(0);
      await pause(500);
    }
    await expectAllServed(load);
  });

  it('fails no request while settings are taken up by reloads', async () => {
    const load = startLoad(stack.url, known());
    for (let i = 0; i < 3; i++) {
      const ran = stack.run('docker compose run --rm setup && docker compose exec -T nginx nginx -s reload');
      expect(ran.status, ran.said).toBe(0);
      await pause(500);
    }
    await expectAllServed(load);
  });

  it('takes a replaced certificate up by a reload, without a failed request', async () => {
    const before = await served();
    const load = startLoad(stack.url, known());
    expect(stack.run(makePair).status).toBe(0);
    expect(stack.run('docker compose exec -T nginx nginx -s reload').status).toBe(0);
    await expect.poll(served).not.toBe(before);
    await expectAllServed(load);
  });

  it('lets a stream end before nginx stops', async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    const client = new OpenAI({ apiKey: digestKey, baseURL: `${stack.url}/v1`, maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'hi' }];
    const stream = await client.chat.completions.create({ model: 'gpt-4.1', messages, stream: true });
    const stopped = promisify(exec)(`docker stop ${stack.project}-nginx-1`);
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    expect(text).toBe('Hello from the stand-in.');
    await stopped;
    expect(stack.inspect('nginx').State.ExitCode).toBe(0);
    stack.run('docker compose start nginx');
    await expect.poll(() => statusFor(jwt), { timeout: 20000 }).toBe(200);
  });

  it('ends none of its containers for a want of memory', () => {
    for (const service of services) {
      expect(stack.inspect(service).State).toMatchObject({ Status: 'running', OOMKilled: false });
    }
  });
});

async function expectAllServed(load: Load): Promise<void> {
  await load.served(6);
  const outcomes = await load.stop();
  for (const [name, counts] of Object.entries(outcomes)) {
    expect(Object.keys(counts), `${name}: ${JSON.stringify(counts)}`).toEqual(['200']);
  }
}

const makePair =
  'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost ' +
  '-keyout certs/new.key -out certs/new.crt 2>/dev/null && chmod 644 certs/new.key ' +
  '&& mv certs/new.key certs/copilot.key && mv certs/new.crt certs/copilot.crt';
