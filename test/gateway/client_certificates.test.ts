// A client that is known by its TLS certificate, and one who would like to be taken for such a client.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { answerAndLine } from './harness/audit_log.js';
import type { Sending } from './harness/client.js';
import {
  makeClientAuthority,
  selfSigned,
  type ClientAuthority,
  type ClientCertificate,
} from './harness/client_certificate.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { variants } from './harness/variants.js';

const apiKey = 'key-beside-certificates';
const soon = { timeout: 20000, interval: 50 };

let authority: ClientAuthority;
let stranger: ClientAuthority;
let signer: Signer;
const who: { [name: string]: ClientCertificate } = {};

beforeAll(async () => {
  authority = await makeClientAuthority('Clients CA');
  stranger = await makeClientAuthority('Other CA');
  signer = await makeSigner('ES256', 'bound');
  for (const name of ['carol', 'dan', 'erin', 'unlisted', 'ended']) who[name] = await authority.issue({ name });
  who['self'] = await selfSigned({ name: 'self' });
  who['forger'] = await stranger.issue({ name: 'dan' });
  who['impostor'] = await (await makeClientAuthority('Clients CA')).issue({ name: 'dan' });
  who['late'] = await selfSigned({ name: 'late', endsInMs: -1000 });
});

const certificateOf = (name: string) => who[name] as ClientCertificate;
const by = (name: string, sending: Sending = {}): Sending => ({ ...sending, certificate: certificateOf(name) });
const withKey = { headers: { 'x-api-key': apiKey } };

const keyFile = () => `bob:$sha256$${'0'.repeat(43)}
${apiKey} scope=models
carol:$x509$${certificateOf('carol').thumbprint} id=Carol123 scope=models,chat
selma:$x509$${certificateOf('self').thumbprint}
dora:$x509-subject$CN=dan,O=Example%20Ltd
erin:$x509-subject$CN=erin,O=Example%20Ltd
erin:$x509$${certificateOf('erin').thumbprint} expires=2020-01-01
ended:$x509$${certificateOf('ended').thumbprint} expires=2020-01-01
brief:$x509-subject$CN=brief,O=Example%20Ltd
late:$x509$${certificateOf('late').thumbprint}
`;

const bound = (name: string, claims = {}) =>
  signer.sign({ cnf: { 'x5t#S256': certificateOf(name).thumbprint }, ...claims });
const withToken = (token: string): Sending => ({ headers: { authorization: `Bearer ${token}` } });

describe.each(variants)('$name: client certificates', (variant) => {
  let gateway: Gateway;
  beforeAll(async () => {
    const jwksPath = join(mkdtempSync(join(tmpdir(), 'keygate-jwks-')), 'jwks.json');
    writeFileSync(jwksPath, jwksOf(signer));
    gateway = await startGateway({
      variant,
      keys: keyFile(),
      env: {
        CLIENT_CERTIFICATES: 'on',
        CLIENT_CA: authority.caFile,
        JWKS_PATH: jwksPath,
        JWT_ISSUER: 'https://issuer.example',
        JWT_AUDIENCE: 'any',
      },
    });
  });
  afterAll(() => gateway.stop());

  const arrived = () => gateway.upstream.arrived.at(-1)?.headers;
  const ask = (sending: Sending) =>
    answerAndLine(gateway.audited, (id) =>
      gateway.send('/v1/models', { ...sending, headers: { ...sending.headers, 'x-request-id': id } }),
    );
  /** The status; for a refusal with the code, and the reason that the log has. */
  const answerTo = async (sending: Sending) => {
    const { answer, line } = await ask(sending);
    return answer.status === 200 ? 200 : [answer.status, answer.json().error.code, line['reason']];
  };
  const unknown = [401, 'invalid_certificate', 'unknown_certificate'];
  const missing = [401, 'missing_credential', 'missing_credential'];
  const unbound = [401, 'invalid_token', 'token_certificate'];

  it('are an identity of their own, by fingerprint', async () => {
    const { answer, line } = await ask(by('carol'));
    expect(answer.body).toBe('upstream');
    expect(arrived()).toMatchObject({ 'x-auth-user': 'carol', 'x-auth-method': 'certificate' });
    expect(arrived()).not.toHaveProperty('x-auth-issuer');
    expect(line).toMatchObject({ status: 200, subject: 'carol', auth: 'certificate', key_id: 'Carol123', reason: '' });
  });

  it('need no authority where their fingerprint is known', async () => {
    expect(await answerTo(by('self'))).toBe(200);
    expect(arrived()).toMatchObject({ 'x-auth-user': 'selma' });
  });

  it('count by their subject where the authority vouches for it, and not otherwise', async () => {
    expect(await answerTo(by('dan'))).toBe(200);
    expect(arrived()).toMatchObject({ 'x-auth-user': 'dora', 'x-auth-method': 'certificate' });
    expect(await answerTo(by('forger'))).toEqual(unknown);
    expect((await gateway.send('/x', by('impostor'))).status).toBe(400); // nginx itself: signed by no known key
    expect(await answerTo(by('dan'))).toBe(200);
  });

  it('are refused without an entry, and where the entry has ended, also beside one of their subject', async () => {
    expect(await answerTo(by('unlisted'))).toEqual(unknown);
    const ended = [401, 'invalid_certificate', 'expired_certificate'];
    for (const name of ['ended', 'erin', 'erin']) expect(await answerTo(by(name)), name).toEqual(ended);
    expect((await ask(by('erin'))).line).toMatchObject({ subject: 'erin', auth: 'certificate' });
    expect(await answerTo({})).toEqual(missing);
  });

  it('are refused after their own end, also on a connection that is older', async () => {
    expect((await gateway.send('/x', by('late'))).status).toBe(400); // nginx itself
    let answered: Answered | undefined;
    let agent = new Agent();
    for (let endsInMs = 2000; answered?.status !== 200; endsInMs *= 2) {
      agent.destroy();
      const { cert, key } = await authority.issue({ name: 'brief', endsInMs });
      agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, cert, key });
      answered = await over(agent, gateway.url);
    }
    expect(arrived()).toMatchObject({ 'x-auth-user': 'brief' });
    await vi.waitFor(async () => {
      expect(await over(agent, gateway.url)).toMatchObject({ status: 401, isReused: true });
    }, soon);
    agent.destroy();
    const expired = { reason: 'expired_certificate', subject: '' }; // nobody vouches for it any more
    await vi.waitFor(() => expect(gateway.audited()).toContainEqual(expect.objectContaining(expired)), soon);
  });

  it('give way to a credential, and do not help a wrong one', async () => {
    expect(await answerTo(by('carol', withKey))).toBe(200);
    expect(arrived()).toMatchObject({ 'x-auth-method': 'api_key' });
    expect(arrived()?.['x-auth-user']).toMatch(/^key-/);
    expect(await answerTo(by('unlisted', withKey))).toBe(200);
    const wrong = { headers: { 'x-api-key': 'wrong' } };
    expect(await answerTo(by('carol', wrong))).toEqual([401, 'invalid_api_key', 'unknown_key']);
    const two = { headers: { 'x-api-key': apiKey, authorization: 'Bearer other' } };
    expect(await answerTo(by('carol', two))).toEqual([400, 'invalid_request', 'two_credentials']);
    const basic = { headers: { authorization: 'Basic eDp5' } };
    expect(await answerTo(by('carol', basic))).toEqual([401, 'invalid_api_key', 'unsupported_scheme']);
    const malformed = { headers: { authorization: 'Bearer a.b.c' } };
    expect(((await answerTo(by('carol', malformed))) as string[])[1]).toBe('invalid_token');
    expect(await answerTo(by('carol', { headers: { authorization: 'Bearer ' } }))).toBe(200);
    expect(arrived()).toMatchObject({ 'x-auth-user': 'carol' });
  });

  it.each(['carol', 'dan'])('are not replaced by what a client writes into headers (%s)', async (name) => {
    const { escaped, cert } = certificateOf(name);
    const told = `SUCCESS\tDec 31 00:00:00 2099 GMT\tCN=dan,O=Example Ltd\t${escaped}`;
    const base64 = cert.replace(/-----[A-Z ]+-----|\s/g, '');
    const headers: { [header: string]: string } = { 'x-keygate-settings': '\t\t30\t\toff\toff\t0\ton' };
    for (const header of ['x-keygate-certificate', 'keygate-certificate', 'x-keygate-certificate-verify'])
      headers[header] = told;
    for (const header of [
      'x-ssl-client-cert',
      'ssl-client-cert',
      'ssl-client-escaped-cert',
      'x-ssl-client-escaped-cert',
    ])
      headers[header] = escaped;
    headers['x-ssl-client-verify'] = headers['ssl-client-verify'] = 'SUCCESS';
    headers['client-cert'] = `:${base64}:`; // RFC 9440
    headers['x-forwarded-client-cert'] = `Cert="${escaped}";Subject="CN=dan,O=Example Ltd"`;
    expect(await answerTo({ headers })).toEqual(missing);
    expect(await answerTo(by('unlisted', { headers }))).toEqual(unknown);
    expect(await answerTo(by('forger', { headers }))).toEqual(unknown);
    const token = await bound(name);
    expect(await answerTo({ headers: { ...headers, authorization: `Bearer ${token}` } })).toEqual(unbound);
  });

  it('bind tokens: such a token holds with its certificate alone, whoever asked before', async () => {
    const token = await bound('unlisted');
    const own = by('unlisted', withToken(token));
    const others = [by('carol', withToken(token)), by('self', withToken(token)), withToken(token)];
    for (let round = 0; round < 3; round++) {
      expect(await answerTo(own)).toBe(200);
      expect(arrived()).toMatchObject({ 'x-auth-user': 'alice', 'x-auth-method': 'jwt' });
      for (const other of others) expect(await answerTo(other)).toEqual(unbound);
    }
  });

  it('bind tokens that a refused request has shown before', async () => {
    const token = await bound('self', { jti: 'refused-first' });
    expect(await answerTo(withToken(token))).toEqual(unbound);
    expect(await answerTo(by('carol', withToken(token)))).toEqual(unbound);
    expect(await answerTo(by('self', withToken(token)))).toBe(200);
    expect(await answerTo(by('carol', withToken(token)))).toEqual(unbound);
  });

  it('change nothing about a token that is not bound, and never help one that is bound otherwise', async () => {
    const free = withToken(await signer.sign());
    for (const sending of [free, by('carol', free), by('unlisted', free)]) expect(await answerTo(sending)).toBe(200);
    const { thumbprint } = certificateOf('carol');
    const refused: unknown[] = [
      { jkt: thumbprint },
      { 'x5t#S256': thumbprint, jkt: thumbprint },
      { 'x5t#S256': [thumbprint] },
      { 'x5t#S256': null },
      {},
      [],
      thumbprint,
    ];
    for (const cnf of refused) {
      const token = await signer.sign({ cnf } as JWTPayload);
      expect(await answerTo(by('carol', withToken(token))), JSON.stringify(cnf)).toEqual([
        401,
        'invalid_token',
        'token_confirmation',
      ]);
    }
    for (const one of ['', thumbprint.slice(1), `${thumbprint}=`, thumbprint.toLowerCase()]) {
      const token = await signer.sign({ cnf: { 'x5t#S256': one } });
      expect(await answerTo(by('carol', withToken(token))), one).toEqual(unbound);
    }
  });

  it('are not exchanged for a token', async () => {
    const answer = await gateway.send('/token', by('carol', { method: 'POST' }));
    expect([answer.status, answer.json().error.code]).toEqual([401, 'missing_credential']);
  });

  it('go with a session that is resumed, and with every request of a connection', async () => {
    const { cert, key } = certificateOf('carol');
    const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, cert, key });
    const first = await over(agent, gateway.url);
    expect(first).toMatchObject({ status: 200, isReused: false });
    expect(await over(agent, gateway.url)).toMatchObject({ status: 200, isReused: true, isResumed: false });
    agent.destroy();
    expect(first.session).toBeDefined();
    // The private key is not used again: TLS takes the certificate from the session.
    const resumed = await over(new Agent({ rejectUnauthorized: false, session: first.session }), gateway.url);
    expect(resumed).toMatchObject({ status: 200, isResumed: true });
    expect(arrived()).toMatchObject({ 'x-auth-user': 'carol' });
  });

  it('end with their line in the key file, also for connections that are open', async () => {
    const { cert, key } = certificateOf('carol');
    const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false, cert, key });
    expect(await over(agent, gateway.url)).toMatchObject({ status: 200 });
    writeFileSync(gateway.keysFile, keyFile().replace(/^carol.*\n/m, ''));
    await vi.waitFor(async () => {
      expect(await over(agent, gateway.url)).toMatchObject({ status: 401, isReused: true });
    }, soon);
    expect(await answerTo(by('carol'))).toEqual(unknown);
    expect(await answerTo(by('self'))).toBe(200);
    writeFileSync(gateway.keysFile, keyFile());
    await vi.waitFor(async () => expect(await over(agent, gateway.url)).toMatchObject({ status: 200 }), soon);
    agent.destroy();
  });
});

interface Answered {
  status: number | undefined;
  isReused: boolean;
  isResumed: boolean;
  session: Buffer | undefined;
}

/** Sends a request through an agent, and says what became of its connection. */
function over(agent: Agent, url: string): Promise<Answered> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let session: Buffer | undefined;
    const sent = request({ hostname, port, agent, path: '/v1/models' }, (response) => {
      const socket = response.socket as TLSSocket;
      const isResumed = socket.isSessionReused();
      response.resume().on('end', () => {
        const status = response.statusCode;
        setTimeout(() => resolve({ status, isReused: sent.reusedSocket, isResumed, session }), 20);
      });
    });
    sent.on('socket', (socket: TLSSocket) => {
      if (!sent.reusedSocket) socket.on('session', (one: Buffer) => (session = one));
    });
    sent.on('error', reject).end();
  });
}
