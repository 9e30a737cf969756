// An operator whose nginx has no njs: the decision server is another nginx, and they meet at Unix sockets
// (docs/two_processes.md).

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testCertificate } from './harness/certificate.js';
import { send } from './harness/client.js';
import { selfSigned } from './harness/client_certificate.js';
import { temporaryFolders } from './harness/embedded.js';
import { freePort } from './harness/free_port.js';
import { startGateway } from './harness/gateway.js';
import { spawnNginx } from './harness/nginx_process.js';
import { variants } from './harness/variants.js';

const key = 'key-of-two-processes';

describe.each(variants.filter(({ entry }) => entry === 'auth_request'))('$name: two processes', (variant) => {
  it('guards a server of an nginx without njs, by the settings of its locations', async () => {
    const frontPort = await freePort();
    const tlsPort = await freePort();
    const carol = await selfSigned({ name: 'carol' });
    const ofServer = await testCertificate();
    // The decision server's nginx; its own port only tells the test that it is up.
    const decision = await startGateway({
      variant,
      keys: `${key} scope=models\ncarol:$x509$${carol.thumbprint}\n`,
      conf: ({
        port,
        facts,
        dir,
      }) => `load_module ${facts.modulePath}; ${facts.userDirective} daemon off; worker_processes 1;
        pid ${dir}/nginx.pid; error_log ${facts.errorLog} notice; events { worker_connections 512; }
        http { ${temporaryFolders({ port, dir, facts })} access_log off; variables_hash_max_size 4096;
          include keygate/http.conf;
          server { listen 127.0.0.1:${port}; include keygate/locations.conf; include keygate/routes.conf; } }`,
    });
    const dir = join(decision.dir, 'front');
    for (const part of ['nginx', 'temp']) mkdirSync(join(dir, part), { recursive: true });
    const keygate = join(decision.dir, 'nginx', 'keygate');
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((kind) => `${kind}_temp_path ${dir}/temp/${kind};`)
      .join(' ');
    const conf = `${process.getuid?.() === 0 ? 'user root;' : ''} daemon off; worker_processes 1; pid ${dir}/nginx.pid;
      error_log ${dir}/error.log notice; events { worker_connections 512; }
      http { ${temp} access_log off; variables_hash_max_size 4096;
        include keygate/front_settings.conf;
        include keygate/asking.conf;
        server { listen 127.0.0.1:${frontPort}; include keygate/guard.conf; include keygate/routes.conf;
          location / { include keygate/proxy_headers.conf; proxy_pass ${decision.upstream.url}; }
          location /chat/ { set $keygate_require_scope chat; proxy_pass ${decision.upstream.url}; }
          location /open/ { include keygate/open.conf; proxy_pass ${decision.upstream.url}; } }
        server { listen 127.0.0.1:${tlsPort} ssl; ssl_certificate ${ofServer.certificate};
          ssl_certificate_key ${ofServer.key}; ssl_verify_client optional_no_ca; include keygate/guard.conf;
          location / { proxy_pass ${decision.upstream.url}; }
          location /on/ { set $keygate_client_certificates on; include keygate/proxy_headers.conf;
            proxy_pass ${decision.upstream.url}; } } }`;
    writeFileSync(join(dir, 'nginx', 'nginx.conf'), conf.replaceAll('include keygate/', `include ${keygate}/`));
    for (const name of [
      'guard',
      'locations',
      'ask',
      'open',
      'routes',
      'verdict',
      'refusal',
      'unchanged',
      'to_decision',
      'asking',
    ]) {
      const path = join(keygate, `${name}.conf`);
      writeFileSync(path, readFileSync(path, 'utf8').replaceAll('include keygate/', `include ${keygate}/`));
    }
    const front = await spawnNginx(variant, { dir, port: frontPort, scheme: 'http' });
    const url = `http://127.0.0.1:${frontPort}`;
    try {
      const headers = { authorization: `Bearer ${key}` };
      expect((await send(url, '/x', { headers })).body).toBe('upstream');
      expect(decision.upstream.arrived.at(-1)?.headers['x-auth-method']).toBe('api_key');
      expect((await send(url, '/x')).json().error.code).toBe('missing_credential');
      expect((await send(url, '/chat/x', { headers })).json().error.code).toBe('insufficient_scope');
      expect((await send(url, '/open/x')).body).toBe('upstream');
      expect((await send(url, '/x', { headers: { ...headers, 'x-auth-user': 'root' } })).status).toBe(400);
      expect((await send(url, '/token', { method: 'POST', headers })).json()).toHaveProperty('access_token');
      const overTls = `https://127.0.0.1:${tlsPort}`;
      expect((await send(overTls, '/on/x', { certificate: carol })).body).toBe('upstream');
      expect(decision.upstream.arrived.at(-1)?.headers['x-auth-method']).toBe('certificate');
      expect((await send(overTls, '/x', { certificate: carol })).json().error.code).toBe('missing_credential');
      await decision.nginx.stop();
      const away = await send(url, '/x', { headers });
      expect([away.status, away.headers['retry-after']]).toEqual([503, '1']);
      expect((await send(url, '/open/x')).body).toBe('upstream');
    } finally {
      await front.stop();
      await decision.stop().catch(() => undefined);
    }
  });
});
