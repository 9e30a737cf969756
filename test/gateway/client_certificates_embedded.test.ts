// An operator who takes client certificates in some locations of a server of his own, and one who sets it up wrongly.

import { readFileSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { send, type Sending } from './harness/client.js';
import { makeClientAuthority, type ClientAuthority, type ClientCertificate } from './harness/client_certificate.js';
import { startEmbedded } from './harness/embedded.js';
import { freePort } from './harness/free_port.js';
import type { Gateway } from './harness/gateway.js';
import { variants } from './harness/variants.js';

let authority: ClientAuthority;
let carol: ClientCertificate;
let large: ClientCertificate;
let huge: ClientCertificate;
let foreign: ClientCertificate;

beforeAll(async () => {
  authority = await makeClientAuthority('Clients CA');
  carol = await authority.issue({ name: 'carol' });
  large = await authority.issue({ name: 'large', names: 300 });
  huge = await authority.issue({ name: 'huge', names: 1900 });
  foreign = await (await makeClientAuthority('Other CA')).issue({ name: 'carol' });
});

describe.each(variants)('$name: client certificates in some locations', (variant) => {
  let gateway: Gateway;
  let ports: { strict: number; unasked: number };
  beforeAll(async () => {
    ports = { strict: await freePort(), unasked: await freePort() };
    gateway = await startEmbedded({
      variant,
      keys: `carol:$x509-subject$CN=carol,O=Example%20Ltd scope=models rate=1/h burst=2
large:$x509$${large.thumbprint}\nhuge:$x509$${huge.thumbprint}\n`,
      http: ({ facts }) => {
        const on = 'set $keygate_client_certificates on;';
        const pass = 'include keygate/proxy_headers.conf; proxy_pass http://app;';
        const locations = `ssl_certificate ${facts.certificate}; ssl_certificate_key ${facts.certificateKey};
          include keygate/locations.conf;
          location / { GUARD ${pass} }
          location /on/ { GUARD ${on} ${pass} }
          location /scoped/ { GUARD ${on} set $keygate_require_scope "models chat"; ${pass} }
          location /wrong/ { GUARD set $keygate_client_certificates yes; ${pass} }`;
        return `variables_hash_max_size 4096;
          server { listen 127.0.0.1:${ports.strict} ssl; http2 on; ssl_verify_client optional;
            ssl_client_certificate ${authority.caFile}; ${locations} }
          server { listen 127.0.0.1:${ports.unasked} ssl; ${locations} }`;
      },
      server: `location /on/ { GUARD set $keygate_client_certificates on; proxy_pass http://app; }`,
    });
  });
  afterAll(() => gateway.stop());

  const codeOf = async (port: number, path: string, sending: Sending) => {
    const answer = await send(`https://127.0.0.1:${port}`, path, sending);
    return answer.status === 200 ? 200 : [answer.status, answer.json().error.code];
  };
  const missing = [401, 'missing_credential'];

  it('count where the location says so, and nowhere else', async () => {
    expect(await codeOf(ports.strict, '/x', { certificate: carol })).toEqual(missing);
    expect(await codeOf(ports.strict, '/on/x', { certificate: carol })).toBe(200);
    expect(gateway.upstream.arrived.at(-1)?.headers).toMatchObject({
      'x-auth-user': 'carol',
      'x-auth-method': 'certificate',
    });
    expect(await codeOf(ports.strict, '/x', { certificate: carol })).toEqual(missing);
    expect(await codeOf(ports.strict, '/on/x', {})).toEqual(missing);
  });

  it('hold the scopes of their entry and no other', async () => {
    expect(await codeOf(ports.strict, '/scoped/x', { certificate: carol })).toEqual([403, 'insufficient_scope']);
  });

  it('are taken over HTTP/2', async () => {
    const session = connectHttp2(`https://127.0.0.1:${ports.strict}`, {
      rejectUnauthorized: false,
      cert: large.cert,
      key: large.key,
    });
    const statuses = await Promise.all(
      ['/on/x', '/x', '/on/y'].map(
        (path) =>
          new Promise((resolve, reject) => {
            const stream = session.request({ ':path': path }).on('error', reject);
            stream.on('response', (headers) => resolve(headers[':status'])).resume();
          }),
      ),
    );
    session.close();
    expect(statuses).toEqual([200, 401, 200]);
  });

  it('have the limit of their entry', async () => {
    const statuses = [];
    for (let i = 0; i < 4; i++) {
      const answer = await send(`https://127.0.0.1:${ports.strict}`, '/on/x', { certificate: carol });
      statuses.push(answer.status);
    }
    expect(statuses.at(-1)).toBe(429);
    expect(await codeOf(ports.strict, '/on/x', { certificate: large })).toBe(200);
  });

  it('count for nothing where nginx does not ask for them, or without TLS', async () => {
    expect(await codeOf(ports.unasked, '/on/x', { certificate: carol })).toEqual(missing);
    expect((await gateway.send('/on/x')).json().error.code).toBe('missing_credential');
  });

  it("are refused by nginx itself where they are of an authority that is not the server's", async () => {
    const answer = await send(`https://127.0.0.1:${ports.strict}`, '/on/x', { certificate: foreign });
    expect(answer.status).toBe(400);
  });

  it('are refused where they are too large, as a fault of the client', async () => {
    const answer = await send(`https://127.0.0.1:${ports.strict}`, '/on/x', { certificate: huge });
    expect([answer.status, answer.body]).toEqual([401, expect.stringContaining('invalid_certificate')]);
  });

  it('open no location whose setting is wrong', async () => {
    expect(await codeOf(ports.strict, '/wrong/x', { certificate: carol })).toEqual([500, 'location_not_configured']);
    expect(readFileSync(`${gateway.dir}/error.log`, 'utf8')).toContain(
      '$keygate_client_certificates: expected on or off',
    );
  });
});
