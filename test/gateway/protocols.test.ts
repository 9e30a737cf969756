// Every way of nginx to an application: who the client is said to be, and that its credential ends here.

import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { acceptWebSocket } from '../../stand_in/websocket_echo.js';
import type { Gateway } from './harness/gateway.js';
import { startEmbedded } from './harness/embedded.js';
import { startGrpcService, startResponder, type Responder } from './harness/responders.js';
import { variants } from './harness/variants.js';

const key = 'key-of-the-protocols';
const user = /^key-/; // a key without a name is called by its digest

// What a client sends to pass for somebody else.
const spoofed = {
  'x-auth-user': 'root',
  'x-auth-method': 'jwt',
  'x-auth-issuer': 'evil',
  X_Auth_User: 'root',
  'X-Auth_User': 'root',
  X_Auth_Method: 'jwt',
  X_Api_Key: key,
  'api-key': key,
  authorization: 'Basic cm9vdDpyb290',
};

const cgi = ['fastcgi', 'uwsgi', 'scgi'] as const;

describe.each(variants)('$name: protocols', (variant) => {
  let gateway: Gateway;
  let grpc: Responder;
  let websocket: Server;
  const responders = {} as { [protocol in (typeof cgi)[number]]: Responder };

  beforeAll(async () => {
    for (const protocol of cgi) responders[protocol] = await startResponder(protocol);
    grpc = await startGrpcService();
    websocket = createServer().on('upgrade', acceptWebSocket);
    await new Promise<void>((resolve) => websocket.listen(0, '127.0.0.1', resolve));
    const again = variant.entry === 'access' ? '' : 'GUARD;'; // a nested location has it already
    gateway = await startEmbedded({
      variant,
      keys: `${key}\n`,
      edit: {
        'keygate/settings.conf': (conf) => conf.replace(/(\$keygate_identity_headers) "refuse"/, '$1 "drop"'),
      },
      serverFirst: 'http2 on; underscores_in_headers on;',
      server: `
        ${cgi
          .map(
            (one) => `location /${one}/ { GUARD;
          ${one}_param QUERY_STRING $query_string; ${one}_param REQUEST_METHOD $request_method;
          ${one}_param REMOTE_USER $remote_user; ${one}_param CONTENT_LENGTH $content_length;
          include keygate/${one}_headers.conf; ${one}_pass ${responders[one].address};
          location /${one}/forwarding/ { ${again} set $keygate_forward_credential on;
            ${one}_param CONTENT_LENGTH $content_length;
            include keygate/${one}_headers.conf; ${one}_pass ${responders[one].address}; } }`,
          )
          .join('\n')}
        location /test.Service/ { GUARD; include keygate/grpc_headers.conf; grpc_pass grpc://${grpc.address}; }
        location /ws { GUARD; include keygate/proxy_headers.conf; proxy_http_version 1.1;
          proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
          proxy_pass http://127.0.0.1:${(websocket.address() as AddressInfo).port}; }
        location /app/ { GUARD; include keygate/proxy_headers.conf; proxy_pass http://app; }
        location /app10/ { GUARD; include keygate/proxy_headers.conf; proxy_http_version 1.0; proxy_pass http://app; }
      `,
    });
  });

  afterAll(async () => {
    await gateway?.stop();
    for (const one of [...Object.values(responders), grpc]) one.close();
    websocket.closeAllConnections();
    websocket.close();
  });

  it.each(cgi)('admits to %s with a key alone', async (protocol) => {
    responders[protocol].arrived.length = 0;
    expect((await gateway.send(`/${protocol}/x`)).status).toBe(401);
    expect((await gateway.send(`/${protocol}/x`, { headers: { 'x-api-key': 'wrong' } })).status).toBe(401);
    expect(responders[protocol].arrived).toEqual([]);
    const answer = await gateway.send(`/${protocol}/x`, { headers: { 'x-api-key': key } });
    expect([answer.status, answer.body]).toEqual([200, `${protocol} application`]);
    expect(JSON.stringify(responders[protocol].arrived)).not.toContain(key);
  });

  it.each(cgi)('tells %s who the client is, whatever the client says', async (protocol) => {
    responders[protocol].arrived.length = 0;
    const answer = await gateway.send(`/${protocol}/x`, { headers: spoofed });
    expect(answer.status).toBe(200);
    const params = responders[protocol].arrived[0] ?? [];
    const seen = Object.fromEntries(params); // the last of a name, as applications take it
    expect(seen).toMatchObject({
      HTTP_X_AUTH_ISSUER: '',
      HTTP_X_AUTH_METHOD: 'api_key',
      HTTP_HOST: expect.any(String),
    });
    expect(seen['HTTP_X_AUTH_USER']).toMatch(user);
    expect(seen['REMOTE_USER']).toBe(seen['HTTP_X_AUTH_USER']);
    expect(seen['HTTP_X_REQUEST_ID']).toMatch(/^[0-9a-f]{32}$/);
    expect(params.filter(([name]) => name === 'HTTP_X_AUTH_USER')).toHaveLength(1);
    expect(params.filter(([name]) => /AUTHORIZATION|API.KEY/.test(name))).toEqual([]);
    expect(JSON.stringify(Object.values(seen))).not.toMatch(/root|evil|"jwt"|key-of-the-protocols|cm9v/);
  });

  it.each(cgi)('passes the credential on to %s where that is wanted', async (protocol) => {
    responders[protocol].arrived.length = 0;
    await gateway.send(`/${protocol}/forwarding/x`, { headers: { 'x-api-key': key } });
    const params = responders[protocol].arrived[0] ?? [];
    expect(params.filter(([name]) => /AUTHORIZATION|API.KEY/.test(name))).toEqual([['HTTP_X_API_KEY', key]]);
  });

  it.each(cgi)('carries a body to %s', async (protocol) => {
    const answer = await gateway.send(`/${protocol}/x`, {
      method: 'POST',
      headers: { 'x-api-key': key },
      body: 'x'.repeat(9000),
    });
    expect(answer.status).toBe(200);
    expect(Object.fromEntries(responders[protocol].arrived.at(-1) ?? [])['CONTENT_LENGTH']).toBe('9000');
  });

  it('carries a gRPC call, and answers a refused one with the HTTP status that gRPC clients map', async () => {
    grpc.arrived.length = 0;
    const session = connectHttp2(gateway.url);
    const call = {
      ':method': 'POST',
      ':path': '/test.Service/Call',
      'content-type': 'application/grpc',
      te: 'trailers',
    };
    expect(await h2(session, call)).toMatchObject({ status: 401 });
    expect(await h2(session, { ...call, 'x-api-key': 'wrong' })).toMatchObject({ status: 401 });
    expect(grpc.arrived).toEqual([]);
    const lowered = Object.fromEntries(Object.entries(spoofed).map(([name, value]) => [name.toLowerCase(), value]));
    expect(await h2(session, { ...call, ...lowered })).toMatchObject({
      status: 200,
      trailers: { 'grpc-status': '0' },
    });
    expect(await h2(session, { ...call, 'x-api-key': key })).toMatchObject({ status: 200 });
    session.close();
    const seen = Object.fromEntries(grpc.arrived[0] ?? []);
    expect(seen['x-auth-user']).toMatch(user);
    expect(seen['x-auth-method']).toBe('api_key');
    expect(JSON.stringify(grpc.arrived)).not.toMatch(/root|evil|"jwt"|key-of-the-protocols|cm9v/);
  });

  it('decides each request of an HTTP/2 connection, also when HPACK leaves one byte a header', async () => {
    const session = connectHttp2(gateway.url);
    for (let i = 0; i < 5; i++) {
      expect(await h2(session, { ':path': '/app/x', 'x-api-key': key })).toMatchObject({ status: 200 });
      expect(await h2(session, { ':path': '/app/x' })).toMatchObject({ status: 401 });
    }
    session.close();
  });

  it('decides in HTTP/1.0, toward the client and toward the application', async () => {
    const ask = (headers: string) => rawHttp(gateway.url, `GET /app/x HTTP/1.0\r\n${headers}\r\n`);
    expect(await ask('')).toMatch(/^HTTP\/1.1 401 /);
    expect(await ask(`x-api-key: ${key}\r\n`)).toMatch(/^HTTP\/1.1 200 .*upstream$/s);
    expect((await gateway.send('/app10/x')).status).toBe(401);
    expect((await gateway.send('/app10/x', { headers: { 'x-api-key': key } })).body).toBe('upstream');
  });

  it('upgrades to a WebSocket with a key alone', async () => {
    const upgrade = (header: string) =>
      `GET /ws HTTP/1.1\r\nHost: ` +
      `x\r\n${header}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ` +
      `dGVzdC10ZXN0LXRlc3QtdA==\r\nSec-WebSocket-Version: 13\r\n\r\n`;
    expect(await rawHttp(gateway.url, upgrade(''), '}}')).toMatch(/^HTTP\/1.1 401 /);
    expect(await rawHttp(gateway.url, upgrade(`x-api-key: ${key}\r\n`), '\r\n\r\n')).toMatch(/^HTTP\/1.1 101 /);
  });
});

function h2(
  session: ClientHttp2Session,
  headers: { [name: string]: string },
): Promise<{ status?: number; trailers: object }> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: headers[':method'] === undefined });
    const seen: { status?: number; trailers: object } = { trailers: {} };
    stream.on('response', (answer) => (seen.status = answer[':status'] ?? 0));
    stream.on('trailers', (trailers) => (seen.trailers = trailers));
    stream.on('end', () => resolve(seen));
    stream.on('error', reject);
    stream.resume();
    if (headers[':method'] !== undefined) stream.end(Buffer.from([0, 0, 0, 0, 0]));
  });
}

// Until the connection ends, or the answer ends with `last`.
function rawHttp(url: string, bytes: string, last?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.write(bytes, 'latin1'));
    socket.on('data', (part: Buffer) => {
      text += part.toString('latin1');
      if (last !== undefined && text.endsWith(last)) socket.destroy();
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
  });
}
