// An operator of a pod: what nginx gets beside the settings is checked before it stands in nginx.conf.

import { availableParallelism } from 'node:os';
import { describe, expect, it } from 'vitest';
import { findShortName, readPod } from '../../container/pod.js';
import { findResolver } from '../../launcher/facts.js';

describe('readPod', () => {
  it("takes Docker's name server and the machine's cores where nothing is set", () => {
    const workers = Math.min(availableParallelism(), 8);
    const docker = {
      resolver: '127.0.0.11',
      isOwnResolver: false,
      workers,
      metricsHosts: [],
      isReloadedOnChange: false,
    };
    expect(readPod({})).toEqual(docker);
    expect(readPod({ NAME_SERVER: ' ', NGINX_WORKERS: '', METRICS_HOSTS: ' , ' })).toEqual(docker);
  });

  it("takes the pod's name server, cores and addresses", () => {
    const env = { NAME_SERVER: 'system', NGINX_WORKERS: '3', METRICS_HOSTS: '10.1.2.3, fd00::7, a.b' };
    expect(readPod({ ...env, RELOAD_ON_CHANGE: '/certs' })).toEqual({
      resolver: findResolver(),
      isOwnResolver: true,
      workers: 3,
      metricsHosts: ['10.1.2.3', '[fd00::7]', 'a.b'],
      isReloadedOnChange: true,
    });
    expect(readPod({ NAME_SERVER: 'fd00::a' })).toMatchObject({ resolver: '[fd00::a]', isOwnResolver: false });
  });

  it.each([
    ['NAME_SERVER', ['kube-dns', '10.0.0.1;', '10.0.0', 'System']],
    ['NGINX_WORKERS', ['0', '-1', '1.5', '100', 'auto', '1; user root']],
    ['METRICS_HOSTS', ['a b', 'a;b', '_', '*', '"', '$host', '-a', 'a.', '~^.*$', '10.1.2.3,}']],
  ])('refuses a %s that is none', (name, values) => {
    for (const value of values) expect(() => readPod({ [name]: value }), value).toThrow(`${name}: expected `);
  });

  it('names all faults at once', () => {
    const env = { NAME_SERVER: 'x', NGINX_WORKERS: 'x', METRICS_HOSTS: '_' };
    expect(() => readPod(env)).toThrow(/NAME_SERVER.*\nNGINX_WORKERS.*\nMETRICS_HOSTS/);
  });
});

describe('findShortName', () => {
  it('takes whole names and addresses', () => {
    for (const host of ['a.b.svc.cluster.local', '10.0.0.1', '[fd00::1]'])
      expect(findShortName(`http://${host}:8080/x`), host).toBeUndefined();
  });

  it('refuses a name that a search list would have to complete, and no upstream', () => {
    for (const url of ['http://upstream:8080', 'https://upstream/x', undefined])
      expect(findShortName(url)).toContain('UPSTREAM_URL: expected a whole name');
  });
});
