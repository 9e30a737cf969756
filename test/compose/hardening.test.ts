// What each container may do and see, asked of the engine: with copilot-api, and secrets in files.

import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { send } from '../gateway/harness/client.js';
import { serveCopilotRepository, type CopilotRepository } from './harness/copilot_repository.js';
import { describeWithEngine } from './harness/engine.js';
import { startStack, type Stack } from './harness/stack.js';

const token = 'gho_tokenOfTheHardeningTest';
const key = 'key-in-a-file-of-the-hardening-test';
const running = ['nginx', 'verifier', 'copilot-api'];
const all = [...running, 'check', 'setup'];

describeWithEngine('a hardened stack', () => {
  let stack: Stack;
  let repository: CopilotRepository;

  beforeAll(async () => {
    repository = await serveCopilotRepository();
    stack = await startStack('keygate-hardening', ({ dir }) => {
      writeFileSync(join(dir, 'token'), `${token}\n`, { mode: 0o644 });
      writeFileSync(join(dir, 'key'), `${key}\n`, { mode: 0o644 });
      return { GITHUB_TOKEN_FILE: './token', API_KEY_FILE: './key', ...repository.settings };
    });
  });
  afterAll(async () => {
    await stack?.stop();
    repository?.stop();
  });

  it('takes the API key and the GitHub token from their files', async () => {
    const answered = await send(stack.url, '/v1/models', { headers: { 'x-api-key': key } });
    expect(answered.status).toBe(200);
    expect(answered.body).toContain(createHash('sha256').update(token).digest('hex'));
  });

  it.each(all)('%s: no root, no capabilities, a read-only root, limits', (service) => {
    const { Config, HostConfig } = stack.inspect(service);
    expect(Config.User).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(HostConfig.ReadonlyRootfs).toBe(true);
    expect(HostConfig.CapDrop).toEqual(['ALL']);
    expect(HostConfig.SecurityOpt).toContain('no-new-privileges:true');
    expect(HostConfig.Memory).toBeGreaterThan(0);
    expect(HostConfig.PidsLimit).toBeGreaterThan(0);
    expect(HostConfig.RestartPolicy.Name).toBe(running.includes(service) ? 'unless-stopped' : 'no');
  });

  it.each(running)('%s: no process of root, nothing writable but what is mounted', (service) => {
    const container = `${stack.project}-${service}-1`;
    const users = stack.run(`docker top ${container} -eo pid,uid`).stdout.trim().split('\n').slice(1);
    expect(users.length).toBeGreaterThan(0);
    for (const line of users) expect(line).toMatch(/ [1-9]\d*$/);
    const written = stack.run(
      `docker exec -u 0 ${container} sh -c 'for d in / /etc /usr/bin /opt /root /var; do touch $d/x 2>/dev/null ` +
        `&& echo $d; done'`,
    );
    expect(written.stdout).toBe('');
  });

  it('lets each worker of nginx open as many files as the engine allows, up to 65536', () => {
    const inNginx = (script: string) => stack.run(`docker exec ${stack.project}-nginx-1 sh -c '${script}'`).stdout;
    const hard = inNginx('ulimit -Hn').trim();
    const files = hard === 'unlimited' ? 65536 : Math.min(65536, Number(hard));
    const configuration = inNginx('cat /etc/nginx/nginx.conf');
    expect(configuration).toContain(`worker_rlimit_nofile ${files};`);
    const limits = inNginx('for p in /proc/[0-9]*; do grep -q "^nginx: worker" $p/cmdline && cat $p/limits; done');
    const soft = [...limits.matchAll(/^Max open files +(\d+)/gm)].map(([, one]) => Number(one));
    const workers = Number(/^worker_processes (\d+);$/m.exec(configuration)?.[1]);
    expect(soft).toEqual(new Array(workers).fill(files));
    const said = stack.run(`docker logs ${stack.project}-nginx-1`).said;
    expect(said).not.toMatch(/RLIMIT_NOFILE, .*failed|exceed open file/);
    expect(stack.run('docker compose logs setup').stdout.includes('streams are limited to')).toBe(files < 65536);
  });

  it.each(running)('%s: no package manager', (service) => {
    const { stdout } = stack.run(
      `docker exec ${stack.project}-${service}-1 sh -c 'for p in apt apt-get dpkg npm npx yarn corepack pip ` +
        'bun git; do ' +
        `command -v $p; done; ls -d /usr/lib/node_modules /usr/share/nodejs/npm 2>/dev/null'`,
    );
    expect(stdout).toBe('');
  });

  it('holds no development dependency', () => {
    const { stdout } = stack.run(`docker exec ${stack.project}-verifier-1 ls /opt/keygate/node_modules`);
    expect(stdout).toContain('fastify');
    expect(stdout).not.toMatch(/^(?:vitest|esbuild|typescript|testcontainers|openai)$/m);
  });

  it('publishes nginx alone, on loopback', () => {
    const bindings = all.flatMap((service) =>
      Object.values(stack.inspect(service).HostConfig.PortBindings ?? {}).flat(),
    );
    expect(bindings).toEqual([{ HostIp: '127.0.0.1', HostPort: String(stack.port) }]);
  });

  it('has no secret in any docker inspect, log or argument', () => {
    const containers = all.map((service) => `${stack.project}-${service}-1`).join(' ');
    const said = [
      stack.run(`docker inspect ${containers}`).stdout,
      stack.run('docker compose logs').said,
      ...running.map((service) => stack.run(`docker top ${stack.project}-${service}-1 -eo args`).stdout),
    ].join('\n');
    for (const secret of [token, key]) expect(said).not.toContain(secret);
  });

  it('shows the GitHub token to copilot-api alone', () => {
    const look = (service: string) =>
      stack.run(
        `docker exec ${stack.project}-${service}-1 sh -c 'cat /proc/[0-9]*/environ /run/secrets/* 2>/dev/null | ` +
          `tr "\\0" "\\n"'`,
      ).stdout;
    expect(look('copilot-api')).toContain(token);
    for (const service of ['nginx', 'verifier']) {
      expect(look(service)).not.toContain(token);
      expect(look(service)).not.toContain('GITHUB_TOKEN');
    }
    expect(look('copilot-api')).not.toContain(key);
  });

  it('keeps signing keys from nginx', () => {
    const find = (service: string) =>
      stack.run(`docker exec ${stack.project}-${service}-1 sh -c 'ls /var/lib/keygate /var/lib/keygate/signing'`)
        .stdout;
    expect(find('verifier')).toContain('signing_keys.json');
    expect(find('nginx')).not.toContain('signing');
  });

  it('has no secret in a layer of its images', () => {
    for (const service of running) {
      const image = stack.inspect(service).Config.Image;
      const find = `set -o pipefail; docker save ${image} | grep -a -c -F -e ${token} -e ${key}`;
      expect(stack.run(find).stdout.trim()).toBe('0');
      expect(stack.run(`docker history --no-trunc ${image}`).stdout).not.toContain(token);
    }
  });

  it('labels its images', () => {
    for (const service of running) {
      const image = stack.inspect(service).Config.Image;
      const { stdout } = stack.run(`docker image inspect ${image} -f '{{json .Config.Labels}}'`);
      expect(stdout).toContain('org.opencontainers.image.title');
      expect(stdout).toContain('org.opencontainers.image.version');
    }
  });

  it('lets copilot-api finish a request before it stops', async () => {
    const slow = send(stack.url, '/slow', { headers: { 'x-api-key': key } });
    await new Promise((resolve) => setTimeout(resolve, 500));
    const stopped = spawnSync('docker', ['stop', '-t', '20', `${stack.project}-copilot-api-1`]);
    expect(stopped.status).toBe(0);
    expect((await slow).body).toBe('slow');
    expect(stack.inspect('copilot-api').State.ExitCode).toBe(0);
  });
});
