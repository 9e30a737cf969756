// Settings as an operator gives them in .env: files of the host, and what is wrong with them.

import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { send } from '../gateway/harness/client.js';
import { unpackNginx } from '../../nginx/runtime/unpack_nginx.js';
import { makeClone, type Clone } from './harness/clone.js';
import { describeWithEngine } from './harness/engine.js';

const up = 'docker compose up -d --build --wait';

describeWithEngine('settings of the stack', () => {
  let clone: Clone;

  const set = (settings: { [name: string]: string }) => {
    const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(join(clone.dir, '.env'), lines.join(''));
  };
  const file = (name: string, text: string, mode = 0o644) => {
    writeFileSync(join(clone.dir, name), text);
    chmodSync(join(clone.dir, name), mode);
  };
  const logs = (service: string) =>
    clone.run(`docker compose logs --no-log-prefix ${service}`).stdout.match(/keygate: .*/g) ?? [];
  const statusFor = (key: string) =>
    send(clone.url, '/v1/models', { headers: { 'x-api-key': key } }).then(
      ({ status }) => status,
      () => 0,
    );
  const comesUp = () => {
    const ran = clone.run(up);
    expect(ran.status, ran.said + clone.run('docker compose logs').stdout).toBe(0);
  };
  // Starts only what ends before the others.
  const refuses = (service: 'check' | 'setup') => {
    clone.run('docker compose rm -sf check setup');
    expect(clone.run(`docker compose up -d --build --wait check setup`).status).not.toBe(0);
    return logs(service);
  };

  beforeAll(async () => {
    clone = await makeClone('keygate-settings');
  });
  afterAll(() => clone?.remove());

  it('stops on a bad value with one line for each', () => {
    set({ RATE_LIMIT_API: 'fast', JWT_TTL: 'long' });
    expect(refuses('check')).toEqual([
      expect.stringMatching(/^keygate: JWT_TTL: expected /),
      expect.stringMatching(/^keygate: RATE_LIMIT_API: expected /),
    ]);
    expect(clone.run('docker compose ps -a --format {{.Service}}:{{.ExitCode}}').stdout).toContain('check:1');
    expect(clone.run('docker compose ps --services').stdout.trim()).toBe('');
  });

  it('stops on a misspelt setting', () => {
    set({ REQUIRE_SCOP: 'admin' });
    expect(refuses('check')).toEqual(['keygate: REQUIRE_SCOP: no such setting: expected REQUIRE_SCOPE']);
  });

  it('stops on files that nginx or the verifier can not read, and names uid and mode', () => {
    file('keys.txt', 'a-key-of-the-settings-test\n', 0o600);
    set({ API_KEYS_FILE_HOST: './keys.txt' });
    const uid = process.getuid?.() ?? 0;
    expect(refuses('setup')).toEqual([
      expect.stringMatching(`^keygate: API_KEYS_FILE_HOST: .* it has uid ${uid}, gid \\d+, mode 0600$`),
    ]);
    set({ API_KEY_FILE: './keys.txt' });
    expect(refuses('check')).toEqual([
      expect.stringMatching(`^keygate: API_KEY_FILE: .* it has uid ${uid}, gid \\d+, mode 0600$`),
    ]);
    mkdirSync(join(clone.dir, 'certs'));
    set({ HOST_CERTS_DIR: './certs' });
    expect(refuses('check')).toEqual(
      ['crt', 'key'].map((end) => `keygate: HOST_CERTS_DIR: /etc/keygate/certs/copilot.${end} is missing`),
    );
  });

  it(
    'stops on a key file under its other name, an unknown account type, js_access on the older engine, and ' +
      'two tokens',
    () => {
      set({ API_KEYS_FILE: './keys.txt' });
      expect(refuses('check')[0]).toContain('expected API_KEYS_FILE_HOST');
      set({ ACCOUNT_TYPE: 'free' });
      expect(refuses('check')[0]).toContain('ACCOUNT_TYPE: expected one of individual');
      set({ AUTH_ENTRY: 'access', JS_ENGINE: 'njs' });
      expect(refuses('check')).toEqual([
        'keygate: AUTH_ENTRY: expected auto or auth_request: access needs the engine qjs, not njs',
      ]);
      set({ GITHUB_TOKEN: 'gho_one', GITHUB_TOKEN_FILE: './keys.txt' });
      expect(clone.run(up).said).toContain('GITHUB_TOKEN_FILE is expected to be unset, as GITHUB_TOKEN is set');
    },
  );

  it('reads a single key file, and says what it can not do', async () => {
    file('keys.txt', 'a-key-of-the-settings-test\n');
    set({
      API_KEYS_FILE_HOST: './keys.txt',
      PUBLISH_ADDRESS: '127.0.0.2',
      RATE_LIMIT_API: '1r/m',
      RATE_LIMIT_API_BURST: '1',
    });
    comesUp();
    expect(clone.run('docker compose logs setup').stdout).toMatch(/hint: .*API_KEYS_DIR_HOST/);
    expect(await statusFor('a-key-of-the-settings-test')).toBe(0); // nobody there on 127.0.0.1
    clone.url = clone.url.replace('127.0.0.1', '127.0.0.2');
    expect(await statusFor('a-key-of-the-settings-test')).toBe(200);
    const ran = clone.run('docker compose run --rm verifier keygate key new alice');
    expect(ran.status).not.toBe(0);
    expect(ran.said).toMatch(/hint: .*API_KEYS_DIR_HOST/);
    expect([await statusFor('x'), await statusFor('x')]).toContain(429);
    clone.url = clone.url.replace('127.0.0.2', '127.0.0.1');
  });

  it('tells what is wrong before anything is stopped', async () => {
    set({ API_KEYS_FILE_HOST: './keys.txt', API_KEY: 'key-in-the-environment' });
    comesUp();
    set({ API_KEYS_FILE_HOST: './keys.txt', API_KEY: 'key-in-the-environment', JWT_ALG: 'none' });
    const ran = clone.run('docker compose run --rm check');
    expect(ran.status).toBe(1);
    expect(ran.said.match(/keygate: .*/g)).toEqual([expect.stringMatching(/^keygate: JWT_ALG: expected /)]);
    expect(await statusFor('key-in-the-environment')).toBe(200);
  });

  it("takes up nginx's settings by a reload", async () => {
    set({ API_KEYS_FILE_HOST: './keys.txt', API_KEY: 'key-in-the-environment', REQUIRE_SCOPE: 'models' });
    const ran = clone.run('docker compose run --rm setup && docker compose exec -T nginx nginx -s reload');
    expect(ran.status, ran.said).toBe(0);
    await expect.poll(() => statusFor('key-in-the-environment')).toBe(403);
  });

  it('takes up edits of a mounted folder that replace the file, and its own', async () => {
    const dir = join(clone.dir, 'keys');
    mkdirSync(dir);
    file('keys/api_keys.txt', 'first-key-of-the-folder\n');
    chmodSync(dir, 0o777);
    set({ API_KEYS_DIR_HOST: './keys' });
    comesUp();
    expect(await statusFor('first-key-of-the-folder')).toBe(200);
    file('keys/new.txt', 'second-key-of-the-folder\n');
    renameSync(join(dir, 'new.txt'), join(dir, 'api_keys.txt'));
    await expect.poll(() => statusFor('second-key-of-the-folder')).toBe(200);
    expect(await statusFor('first-key-of-the-folder')).toBe(401);
    const { stdout } = clone.run('docker compose run --rm verifier keygate key new alice');
    expect(await statusFor(stdout.split('\n')[0] ?? '')).toBe(200);
  });

  it('sends requests to UPSTREAM_URL', async () => {
    set({ UPSTREAM_URL: 'http://demo-upstream:8080/v1', API_KEY: 'key-in-the-environment' });
    comesUp();
    const answered = await send(clone.url, '/models', { headers: { 'x-api-key': 'key-in-the-environment' } });
    expect(answered.body).toContain('stand-in');
    clone.run('docker compose down --volumes --timeout 5');
  });

  it(
    'does not build nginx with an njs that can be bypassed, or an nginx without what the ' + 'configuration has',
    async () => {
      const { command } = await unpackNginx('trixie');
      const [home] = /.*nginx-trixie-[^/]*/.exec(command[0] as string) ?? [''];
      const context = join(clone.dir, 'old');
      mkdirSync(context);
      clone.run(`cp -r ${home} old/old`);
      const inside = command.map((word) => word.replace(home, '/old')).join(' ');
      writeFileSync(join(context, 'nginx'), `#!/bin/sh\nexec ${inside} "$@"\n`, { mode: 0o755 });
      writeFileSync(
        join(context, 'Dockerfile'),
        'FROM nginx:1.30\nCOPY old /old\nRUN rm -f /usr/sbin/nginx /usr/lib/nginx/modules/*\nCOPY nginx ' +
          '/usr/sbin/nginx\n' +
          'RUN cp /old/usr/lib/nginx/modules/ngx_http_js_module.so /usr/lib/nginx/modules/\n',
      );
      expect(clone.run('docker build -t keygate-old-nginx old').status).toBe(0);
      const built = clone.run(
        'docker build --progress plain --build-arg NGINX_IMAGE=keygate-old-nginx -f container/nginx/Dockerfile .',
      );
      expect(built.status).not.toBe(0);
      expect(built.said).toMatch(/keygate: nginx 1\.26\.\d+ is too old: expected 1\.27\.4 or newer/);
      expect(built.said).toContain('keygate: njs 0.8.9 is too old: expected 1.0.1 or newer');
      clone.run('docker image rm keygate-old-nginx');
      rmSync(context, { recursive: true });
    },
  );

  it('takes the published copilot-api with COPILOT_API_SOURCE=npm', () => {
    const build = 'docker build -q -f Dockerfile.copilot.fromrepo --build-arg COPILOT_API_SOURCE=npm .';
    const image = clone.run(build).stdout.trim();
    const ran = clone.run(`docker run --rm --read-only ${image} node /app/dist/main.js start --help`);
    expect(ran.said).toContain('--account-type');
    clone.run(`docker image rm ${image}`);
  });
});
