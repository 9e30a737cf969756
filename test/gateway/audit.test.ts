// An operator who asks later who did what, and an attacker who wants to write that answer.

import { hashSync } from '@node-rs/bcrypt';
import { CompactSign } from 'jose';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { auditLines, faultsOf, lineAbout } from './harness/audit_log.js';
import { sendRaw } from './harness/client.js';
import { startEmbedded } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { startUpstream, type TestUpstream } from './harness/upstream.js';
import { variants } from './harness/variants.js';

const key = 'a-good-key';
const digestOf = (text: string) => createHash('sha256').update(text).digest('base64url');
const digestOfKey = digestOf(key);
const keyFile = `bob:$sha256$${digestOfKey} id=Ab3dE6gH
old:$sha256$${digestOf('old-key')} id=Old3E6gH expires=2020-01-01
older:${hashSync('older-key', 4)} expires=2020-01-01
`;
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const forgedNames = ['Path', 'Trace-Id', 'Session-Id', 'Agent-Id', 'Key-Id', 'Reason', 'Audited-User', 'User'];
const forged = Object.fromEntries(forgedNames.map((name) => [`X-Keygate-${name}`, 'forged']));
const issuer = `https://issuer.example/${'i'.repeat(233)}`;
const scopes = `${'s'.repeat(250)} ${'t'.repeat(250)}`;

const raw = (gateway: Gateway, target: string, headers: string[] = []) =>
  lineAbout(gateway.audited, (id) => {
    const all = ['Host: localhost', 'Connection: close', `x-api-key: ${key}`, `X-Request-Id: ${id}`, ...headers];
    return sendRaw(gateway.url, `GET ${target} HTTP/1.1\r\n${all.join('\r\n')}\r\n\r\n`);
  });

/** Sends a request over HTTP/2, which nginx may also reset. */
async function sendHttp2(gateway: Gateway, path: string, headers: { [name: string]: string }): Promise<void> {
  const session = connectHttp2(gateway.url, { rejectUnauthorized: false });
  await new Promise<void>((resolve, reject) => {
    session.on('error', reject);
    const stream = session.request({ ':path': path, 'x-api-key': key, ...headers });
    stream.on('error', () => undefined);
    stream.on('close', resolve);
    stream.resume();
  });
  session.destroy();
}

describe.each(variants)('$name: the audit log', (variant) => {
  let gateway: Gateway;
  let upstream: TestUpstream;
  let signer: Signer;

  beforeAll(async () => {
    signer = await makeSigner('ES256', 'kid-1');
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(signer));
    upstream = await startUpstream({ ...forged, 'X-Keygate-Decision': 'on' });
    gateway = await startGateway({
      variant,
      upstream,
      keys: keyFile,
      env: { JWKS_PATH: jwksPath, JWT_ISSUER: 'https://issuer.example' },
    });
  });

  afterAll(async () => {
    await gateway?.stop();
    await upstream.close();
  });

  it('says who asked for what, by which key, in which session', async () => {
    const line = await raw(gateway, '/v1/messages?beta=true', [
      `traceparent: ${traceparent}`,
      'X-Claude-Code-Session-Id: 6f1c0e4e-58c5-4b6b-9a4e-0c2f6d1f7a10',
      'X-Claude-Code-Agent-Id: agent-1',
      'X-Claude-Code-Parent-Agent-Id: agent:0',
    ]);
    expect(line).toMatchObject({
      address: '127.0.0.1',
      method: 'GET',
      path: '/v1/messages',
      status: 200,
      reason: '',
      subject: 'bob',
      issuer: '',
      auth: 'api_key',
      key_id: 'Ab3dE6gH',
      upstream_status: '200',
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      session_id: '6f1c0e4e-58c5-4b6b-9a4e-0c2f6d1f7a10',
      agent_id: 'agent-1',
      parent_agent_id: 'agent:0',
    });
    expect(upstream.arrived.at(-1)?.headers['x-request-id']).toBe(line['request_id']);
  });

  it.each([
    ['bytes that are no UTF-8', '/\xff%fe', '/%FF%fe'],
    ['a surrogate in UTF-8', '/\xed\xa0\x80', '/%ED%A0%80'],
    ['an overlong encoding', '/\xc0\xaf', '/%C0%AF'],
    ['U+2028', '/\xe2\x80\xa8', '/%E2%80%A8'],
    ['quotes and a backslash', '/","status":200,"x":"\\', '/","status":200,"x":"\\'],
    ['an encoded line end', '/a%0d%0a{}', '/a%0d%0a{}'],
    ['a query', '/a?secret', '/a'],
    ['two question marks', '/a?secret?secret', '/a'],
    ['a query with a slash after a byte', '/\xff?secret/\xff', '/%FF'],
    ['a fragment', '/a#secret', '/a'],
    ['another scheme', 'http://localhost/a?secret', '/a'],
    ['only a query', '/?secret', '/'],
    ['256 bytes', `/${'a'.repeat(255)}?secret`, `/${'a'.repeat(255)}`],
    ['257 bytes', `/${'a'.repeat(256)}?secret`, `/${'a'.repeat(255)}#cut`],
    ['30,000 bytes', `/${'\xff'.repeat(30000)}?secret`, `/${'%FF'.repeat(85)}#cut`],
  ])('has one line of JSON for a path with %s', async (_, target, path) => {
    expect((await raw(gateway, target))['path']).toBe(path);
  });

  it.each([
    ['bytes that are no UTF-8', 'a\xff\xfeb', 'a%FF%FEb'],
    ['a surrogate in UTF-8', '\xed\xa0\x80', '%ED%A0%80'],
    ['U+2028', 'a\xe2\x80\xa8b', 'a%E2%80%A8b'],
    ['quotes', '","status":200,"x":"', '%22%2C%22status%22:200%2C%22x%22:%22'],
    ['a backslash', 'a\\', 'a%5C'],
    ['a tab', 'a\tb', 'a%09b'],
    ['a percent sign', '%41', '%2541'],
    ['64 bytes', 'a'.repeat(64), 'a'.repeat(64)],
    ['65 bytes', 'a'.repeat(65), `${'a'.repeat(64)}#cut`],
    ['20,000 bytes', '"'.repeat(20000), `${'%22'.repeat(21)}#cut`],
  ])('has one line of JSON for a session id with %s', async (_, id, logged) => {
    const headers = ['Session', 'Agent', 'Parent-Agent'].map((name) => `X-Claude-Code-${name}-Id: ${id}`);
    const line = await raw(gateway, '/', headers);
    expect(line).toMatchObject({ session_id: logged, agent_id: logged, parent_agent_id: logged, subject: 'bob' });
  });

  it.each([
    ['is not valid', '00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01', ''],
    ['has capitals', traceparent.toUpperCase(), ''],
    ['has zeros alone', `00-${'0'.repeat(32)}-b7ad6b7169203331-01`, ''],
    ['has a parent of zeros', `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`, ''],
    ['has version ff', traceparent.replace('00', 'ff'), ''],
    ['has more than version 00 has', `${traceparent}-more`, ''],
    ['is of a later version', `${traceparent.replace('00', '01')}-more`, '0af7651916cd43dd8448eb211c80319c'],
  ])('has the trace id of a traceparent that %s', async (_, sent, traceId) => {
    expect((await raw(gateway, '/', [`traceparent: ${sent}`]))['trace_id']).toBe(traceId);
  });

  it('has one line of JSON for each hostile request over HTTP/2', async () => {
    const bytes = (text: string) => Buffer.from(text, 'latin1').toString('latin1');
    const headers = { 'x-claude-code-session-id': bytes('a\xe2\x80\xa8"b'), traceparent: '{"a":1}' };
    const line = await lineAbout(gateway.audited, (id) =>
      sendHttp2(gateway, bytes('/\xff%fe"?secret'), { ...headers, 'x-request-id': id }),
    );
    expect(line).toMatchObject({ path: '/%FF%fe"', session_id: 'a%E2%80%A8%22b', trace_id: '', subject: 'bob' });
  });

  it.each([
    ['session id', '/', { 'x-claude-code-session-id': 'a\r\n{"status":200}' }],
    ['traceparent', '/', { traceparent: `${traceparent}\r\n{}` }],
    ['path', '/a\r\n{"status":200}', {}],
  ])('has one line, of a refusal, for a line end over HTTP/2 in a %s', async (_, path, headers) => {
    const before = gateway.audited().length;
    await sendHttp2(gateway, path, headers);
    await expect.poll(() => gateway.audited().length).toBeGreaterThan(before);
    const refused = { status: 400, session_id: '', trace_id: '' };
    expect(gateway.audited().slice(before)).toEqual([expect.objectContaining(refused)]);
  });

  it('has nothing that a client or the upstream forges', async () => {
    const headers = Object.keys(forged).map((name) => `${name}: forged`);
    const line = await raw(gateway, '/real', [...headers, 'X-Keygate-Target: = a a /forged', 'X-Keygate-Decision: on']);
    expect(line).toMatchObject({ path: '/real', subject: 'bob', key_id: 'Ab3dE6gH', reason: '' });
    expect(JSON.stringify(gateway.audited())).not.toContain('forged');
  });

  it.each([
    [401, 'missing_credential', {}],
    [401, 'unknown_key', { 'x-api-key': 'secret-key' }],
    [400, 'two_credentials', { 'x-api-key': 'secret-key', authorization: 'Bearer another-secret' }],
    [401, 'token_bad_base64url', { authorization: 'Bearer a.b.secret' }],
  ])('has the path of a request refused with %i %s', async (status, reason, headers) => {
    const session = { 'x-claude-code-session-id': 'session-1' };
    const line = await lineAbout(gateway.audited, (id) =>
      gateway.send('/v1/models?secret', { headers: { ...headers, ...session, 'x-request-id': id } }),
    );
    const none = { subject: '', issuer: '', auth: '', key_id: '' };
    expect(line).toMatchObject({ status, reason, path: '/v1/models', session_id: 'session-1', ...none });
  });

  it('has the subject, the issuer and the kid of a token', async () => {
    const token = await signer.sign({ sub: 'al"i\\ce\u00e9' });
    const line = await lineAbout(gateway.audited, (id) =>
      gateway.send('/', { headers: { authorization: `Bearer ${token}`, 'x-request-id': id } }),
    );
    const who = { subject: 'al"i\\ce%C3%A9', issuer: 'https://issuer.example', auth: 'jwt', key_id: 'kid-1' };
    expect(line).toMatchObject({ status: 200, ...who });
  });

  it.each([
    ['a line end', '"a\\r\\n{}"', 'token_subject', ''],
    ['U+2028', '"a\\u2028b"', 'token_subject', ''],
    ['a lone surrogate', '"a\\ud800"', 'token_subject', ''],
    ['a surrogate in UTF-8', '"\xed\xa0\x80"', 'token_payload_not_json', ''],
    ['bytes that are no UTF-8', '"\xff\xfe"', 'token_payload_not_json', ''],
    ['quotes and a backslash', '"\\",\\"status\\":200,\\"x\\":\\"\\\\"', '', '","status":200,"x":"\\'],
    ['a percent sign', '"%0a"', '', '%250a'],
  ])('has one line of JSON for a subject with %s', async (_, subject, reason, logged) => {
    const claims = `{"iss":"https://issuer.example","exp":${Math.floor(Date.now() / 1000) + 300},"sub":${subject}}`;
    const token = await new CompactSign(Buffer.from(claims, 'latin1'))
      .setProtectedHeader({ alg: 'ES256', kid: 'kid-1' })
      .sign(signer.privateKey);
    const line = await lineAbout(gateway.audited, (id) =>
      gateway.send('/', { headers: { authorization: `Bearer ${token}`, 'x-request-id': id } }),
    );
    expect(line).toMatchObject({ status: reason === '' ? 200 : 401, reason, subject: logged });
  });

  it.each([
    ['old', 'old-key', 'Old3E6gH'],
    ['older', 'older-key', expect.stringMatching(/^key-[\w-]{8}$/)],
  ])('names the expired key of %s to the operator alone, each time', async (subject, sent, keyId) => {
    for (let i = 0; i < 2; i++) {
      const line = await lineAbout(gateway.audited, async (id) => {
        const answer = await gateway.send('/', { headers: { 'x-api-key': sent, 'x-request-id': id } });
        expect(answer.status).toBe(401);
        expect(JSON.stringify([answer.headers, answer.body])).not.toMatch(/old|key-/i);
      });
      expect(line).toMatchObject({ status: 401, reason: 'expired_key', subject, auth: 'api_key', key_id: keyId });
    }
    expect(JSON.stringify(upstream.arrived)).not.toContain(`"${subject}"`);
  });

  it.each([
    [200, '', key, '', 'bob', 'Ab3dE6gH'],
    [400, 'invalid_scope', key, '{"scope":"admin"}', 'bob', 'Ab3dE6gH'],
    [401, 'expired_key', 'old-key', '', 'old', 'Old3E6gH'],
    [401, 'unknown_key', 'no-key', '', '', ''],
  ])('has who asks POST /token for a token: %i %s', async (status, reason, sent, body, subject, keyId) => {
    const headers = { 'x-api-key': sent, 'content-type': 'application/json' };
    const line = await lineAbout(gateway.audited, async (id) => {
      const answer = await gateway.send('/token', {
        method: 'POST',
        headers: { ...headers, 'x-request-id': id },
        body,
      });
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('x-keygate'))).toEqual([]);
    });
    const auth = subject === '' ? '' : 'api_key';
    expect(line).toMatchObject({ path: '/token', status, reason, subject, issuer: '', auth, key_id: keyId });
  });

  it('has who holds a token whose API key was taken out of the key file', async () => {
    const minted = await gateway.send('/token', { method: 'POST', headers: { 'x-api-key': key } });
    const authorization = `Bearer ${String(minted.json()['token'])}`;
    const ask = () =>
      lineAbout(gateway.audited, (id) => gateway.send('/', { headers: { authorization, 'x-request-id': id } }));
    const who = { subject: 'bob', issuer: 'keygate', auth: 'jwt' };
    expect(await ask()).toMatchObject({ ...who, status: 200, key_id: 'Ab3dE6gH' });
    writeFileSync(gateway.keysFile, keyFile.replace('Ab3dE6gH', 'Ab3dE6gH expires=2020-01-01'));
    await vi.waitFor(async () => expect(await ask()).toMatchObject({ status: 401 }), { timeout: 20000 });
    expect(await ask()).toMatchObject({ ...who, reason: 'token_revoked' });
    writeFileSync(gateway.keysFile, keyFile);
    await vi.waitFor(async () => expect(await ask()).toMatchObject({ status: 200 }), { timeout: 20000 });
  });

  it('has no path where nobody decided, and the path of our routes', async () => {
    const of = (path: string, method = 'GET') =>
      lineAbout(gateway.audited, (id) =>
        gateway.send(path, { method, headers: { 'x-api-key': key, 'x-request-id': id } }),
      );
    expect(await of('/health?secret')).toMatchObject({ path: '', status: 200 });
    expect(await of('/health/ready?secret')).toMatchObject({ path: '/health/ready', status: 200 });
    expect(await of('/token?secret')).toMatchObject({ path: '/token', status: 405, reason: 'method_not_allowed' });
    expect(await of('/token?secret', 'POST')).toMatchObject({ path: '/token', status: 200, reason: '' });
  });

  it('has a line without a path for a request that nginx refuses', async () => {
    const before = gateway.audited().length;
    await sendRaw(gateway.url, 'GET /a b?secret HTTP/1.1\r\nHost: localhost\r\n\r\n', 500);
    await sendRaw(gateway.url, 'GET /?a /secret HTTP/1.1\r\nHost: localhost\r\n\r\n', 500);
    await sendRaw(gateway.url, '\xff\xfe\r\n\r\n', 500);
    await expect.poll(() => gateway.audited().slice(before)).toHaveLength(3);
    for (const line of gateway.audited().slice(before)) expect(line).toMatchObject({ path: '', status: 400 });
  });

  it('tells clients nothing of what it has, and holds no query and no credential', async () => {
    const own = await gateway.send('/token', { method: 'POST', headers: { 'x-api-key': key, traceparent } });
    expect(Object.keys(own.headers).filter((name) => name.startsWith('x-keygate'))).toEqual([]);
    const log = gateway.accessLog();
    expect(log).not.toContain('secret');
    expect(log).not.toContain(key);
    expect(log).not.toContain(String(own.json()['access_token']));
  });
});

// nginx reads the headers of a verdict into one small buffer, which open streams hold.
describe.each(variants)('$name: the longest verdict', (variant) => {
  const spare = 'x'.repeat(340); // for the headers of limits: an admission has them, a 403 has a challenge instead
  const longKid = 'k'.repeat(256);
  const longest = {
    'x-claude-code-session-id': 'b',
    'x-claude-code-agent-id': 'c',
    'x-claude-code-parent-agent-id': 'd',
  };
  const ids = Object.fromEntries(Object.entries(longest).map(([name, letter]) => [name, letter.repeat(70)]));
  let gateway: Gateway;
  let signer: Signer;

  beforeAll(async () => {
    signer = await makeSigner('ES256', longKid);
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(signer));
    gateway = await startGateway({
      variant,
      env: { JWKS_PATH: jwksPath, JWT_ISSUER: issuer, REQUIRE_SCOPE: scopes },
      edit: {
        'keygate/decision_server.conf': (text) =>
          text.replace('add_header X-Keygate-Decision on always;        #', `add_header X-Spare ${spare}; $&`),
      },
    });
  });

  afterAll(() => gateway?.stop());

  it.each([
    ['admits', scopes, 200, ''],
    ['refuses', 'other', 403, 'insufficient_scope'],
  ])('%s, and names the same principal', async (_, scope, status, reason) => {
    const token = await signer.sign({ sub: 'u'.repeat(256), iss: issuer, scope });
    const id = 'r'.repeat(120) + String(status);
    const headers = { authorization: `Bearer ${token}`, 'x-request-id': id, traceparent, ...ids };
    const answer = await gateway.send(`/${'p'.repeat(600)}?secret`, { headers });
    expect(answer.status).toBe(status);
    const found = () => gateway.audited().find((line) => line['request_id'] === id);
    await expect.poll(() => found()).toBeDefined();
    expect(found()).toMatchObject({
      status,
      reason,
      issuer,
      subject: 'u'.repeat(256),
      key_id: longKid.slice(0, 128),
      auth: 'jwt',
    });
    expect(found()).toMatchObject({ required_scope: scopes, path: `/${'p'.repeat(255)}#cut` });
    if (status === 403) expect(answer.headers['www-authenticate']).toContain(`scope="${scopes}"`);
  });
});

describe.each(variants)('$name: in a configuration of an operator', (variant) => {
  it('stands beside a log of the operator, and leaves a refused principal out of what an upstream gets', async () => {
    const keys = `bob:$sha256$${digestOfKey} id=Ab3dE6gH\n`;
    const upstream = await startUpstream({ ...forged, 'X-Keygate-Decision': 'on' });
    const gateway = await startEmbedded({
      variant,
      upstream,
      keys,
      http: ({ dir }) => `access_log ${dir}/audit.log keygate_audit;`,
      server: `location /api/ { GUARD include keygate/proxy_headers.conf; proxy_pass http://app; }
        location /admin/ { GUARD set $keygate_require_scope admin; proxy_pass http://app; }
        location /open/ { include keygate/proxy_headers.conf; proxy_pass http://app; }`,
    });
    const audit = join(gateway.dir, 'audit.log');
    const of = (path: string) =>
      lineAbout(
        () => auditLines(readFileSync(audit, 'utf8')),
        (id) => gateway.send(path, { headers: { 'x-api-key': key, 'x-request-id': id } }),
      );
    const who = { subject: 'bob', auth: 'api_key', key_id: 'Ab3dE6gH' };
    expect(await of('/api/a?secret')).toMatchObject({ ...who, path: '/api/a', required_scope: '' });
    const refused = { status: 403, reason: 'insufficient_scope', required_scope: 'admin' };
    expect(await of('/admin/a?secret')).toMatchObject({ ...who, ...refused, path: '/admin/a' });
    await gateway.send('/open/a?own');
    const unguarded = { status: 200, path: '', reason: '', subject: '', key_id: '' };
    const newest = () => auditLines(readFileSync(audit, 'utf8')).at(-1); // those before are there
    await expect.poll(newest).toMatchObject(unguarded);
    const own = () => gateway.accessLog();
    await expect.poll(own).toContain('200 /open/a?own "1" "" ""');
    await expect.poll(own).toContain('200 /api/a?secret "" "" "bob"');
    await expect.poll(own).toContain('403 /admin/a?secret "" "insufficient_scope" ""');
    expect(faultsOf(audit)).toEqual([]);
    await gateway.stop();
    await upstream.close();
  });
});
