// An operator who adds Prometheus and Grafana to the stack: no more is open than before, and without the profile
// nothing changes. No image of Grafana is to be had here, so its container is compared as Compose would make it.

import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { unpackPackage } from '../../nginx/runtime/unpack_nginx.js';
import { freePort } from '../gateway/harness/free_port.js';
import { waitUntil } from '../gateway/harness/prometheus.js';
import { makeClone, type Clone } from './harness/clone.js';
import { describeWithEngine } from './harness/engine.js';

interface Service {
  image?: string;
  user: string;
  read_only: boolean;
  cap_drop: string[];
  security_opt: string[];
  mem_limit: string;
  pids_limit: number;
  logging: { options: object };
  ports: { host_ip: string }[];
  environment?: { [name: string]: string };
}

interface Composed {
  services: { [name: string]: Service };
  volumes: object;
  networks: object;
}

const added = ['grafana', 'prometheus'];
const image = 'keygate-stand-in-prometheus';

describeWithEngine('the profile monitoring', () => {
  let clone: Clone;
  let port: number;

  const compose = (options: string): Composed => {
    const { status, stdout, said } = clone.run(`docker compose ${options} config --format json`);
    if (status !== 0) throw new Error(said);
    return JSON.parse(stdout) as Composed;
  };

  beforeAll(async () => {
    clone = await makeClone('keygate-monitoring');
    port = await freePort();
  });
  afterAll(() => {
    clone?.run('docker compose --profile monitoring down --volumes --timeout 2');
    clone?.run(`docker image rm ${image}`);
    clone?.remove();
  });

  it('adds two containers, their volumes and a network, and leaves the others as they are', () => {
    const without = compose('');
    const { services, volumes, networks } = compose('--profile monitoring');
    expect(Object.keys(without.services)).not.toEqual(expect.arrayContaining(added));
    expect(services).toMatchObject(without.services);
    expect(Object.keys(services).length).toBe(Object.keys(without.services).length + added.length);
    expect(Object.keys(volumes).length).toBe(Object.keys(without.volumes).length + added.length);
    expect(Object.keys(networks).length).toBe(Object.keys(without.networks).length + 1);
  });

  it.each(added)('%s: no root, no capabilities, a read-only root, limits, a port of loopback alone', (name) => {
    clone.run('echo PUBLISH_ADDRESS=0.0.0.0 > .env');
    const service = compose('--profile monitoring').services[name] as Service;
    clone.run('rm .env');
    expect(service.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    expect(Number(service.mem_limit)).toBeGreaterThan(0);
    expect(service.pids_limit).toBeGreaterThan(0);
    expect(service.logging.options).toHaveProperty('max-size');
    expect(service.ports.map(({ host_ip }) => host_ip)).toEqual(['127.0.0.1']);
    expect(service.image).toMatch(/:v?\d+\.\d+\.\d+$/);
  });

  it('lets everybody look at Grafana, and nobody log in', () => {
    expect(compose('--profile monitoring').services['grafana']?.environment).toMatchObject({
      GF_AUTH_ANONYMOUS_ORG_ROLE: 'Viewer',
      GF_AUTH_BASIC_ENABLED: 'false',
      GF_AUTH_DISABLE_LOGIN_FORM: 'true',
      GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION: 'true',
    });
  });

  it('starts Prometheus with the alerts, and with nginx as its target', async () => {
    buildStandIn(clone);
    const settings = { PROMETHEUS_IMAGE: image, PROMETHEUS_PORT: String(port) };
    const up = clone.run('docker compose --profile monitoring up -d --wait prometheus', settings);
    expect(up.status, up.said + clone.run('docker compose logs prometheus').stdout).toBe(0);
    const ask = async (path: string) => (await fetch(`http://127.0.0.1:${port}/api/v1/${path}`)).text();
    await waitUntil(
      async () => (await ask('targets')).includes('http://nginx:9145/metrics'),
      () => 'no target',
    );
    expect(await ask('rules')).toContain('KeygateSidecarDown');
    const written = clone.run(`docker exec -u 0 ${clone.project}-prometheus-1 touch /x /etc/prometheus/alerts.yml`);
    expect(written.said.match(/cannot touch/g)).toHaveLength(2);
  });
});

// Debian's Prometheus, laid out as in the official image.
function buildStandIn(clone: Clone): void {
  const context = join(clone.dir, 'stand_in_prometheus');
  mkdirSync(context);
  for (const name of ['prometheus', 'promtool'])
    cpSync(join(unpackPackage('forky', name), 'usr/bin', name), join(context, name));
  const lines = [
    'FROM debian:trixie-slim',
    'COPY prometheus promtool /bin/',
    'RUN mkdir -p /prometheus && chown 65534:65534 /prometheus',
    'WORKDIR /prometheus',
    'ENTRYPOINT ["/bin/prometheus"]',
  ];
  writeFileSync(join(context, 'Dockerfile'), `${lines.join('\n')}\n`);
  const built = clone.run(`docker build -q -t ${image} stand_in_prometheus`);
  if (built.status !== 0) throw new Error(built.said);
}
