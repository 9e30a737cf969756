// An operator of a cluster who applies the manifests as they are: Kubernetes takes them, and their pods may do nothing
// that they need not.

import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import {
  containersOf,
  deployDir,
  findFaults,
  plainFiles,
  podOf,
  render,
  renderWith,
  type Manifest,
  type Pod,
} from './harness/manifests.js';
import { containerSettings, fromFiles, podSettings, table } from '../../settings/table.js';

const root = join(import.meta.dirname, '../..');
const overlays = readdirSync(join(deployDir, 'overlays'));
const components = readdirSync(join(deployDir, 'components'));
const rendered = Object.fromEntries(overlays.map((name) => [name, render(join(deployDir, 'overlays', name))]));
const plain = plainFiles();

const find = (manifests: Manifest[], kind: string, name = 'keygate') =>
  manifests.find((one) => one.kind === kind && one.metadata.name === name) as Manifest;
const podFrom = (overlay: string) => podOf(find(rendered[overlay] as Manifest[], 'Deployment')) as Pod;
const hasSchema = ({ kind }: Manifest) => kind !== 'BackendTLSPolicy';

describe('the manifests', () => {
  it('are what the docs say', () => {
    expect(overlays.sort()).toEqual(['embedded-config', 'single', 'with-redis']);
    const docs = readFileSync(join(root, 'docs/kubernetes.md'), 'utf8');
    const examples = readdirSync(join(deployDir, 'examples'));
    for (const name of [...overlays, ...components, ...examples]) expect(docs).toContain(name);
  });

  it.each(plain.map(({ path, manifests }) => [path, manifests] as const))('%s is valid by itself', (_, manifests) => {
    expect(manifests.length).toBeGreaterThan(0);
    expect(findFaults(manifests.filter(hasSchema))).toEqual([]);
  });

  it.each(overlays)('%s renders to valid manifests, all in one namespace', (overlay) => {
    const manifests = rendered[overlay] as Manifest[];
    expect(findFaults(manifests)).toEqual([]);
    const outside = manifests.filter(({ kind, metadata }) => kind !== 'Namespace' && metadata.namespace !== 'keygate');
    expect(outside).toEqual([]);
  });

  it.each(overlays)('%s takes every component', (overlay) => {
    const all = renderWith(
      `overlays/${overlay}`,
      components.map((name) => `components/${name}`),
    );
    expect(all.map(({ kind }) => kind)).toContain('ServiceMonitor');
    expect(findFaults(all)).toEqual([]);
  });

  it.each([
    ['an unknown field', (pod: Pod) => Object.assign(pod.containers[0] as object, { readonlyRootFilesystem: true })],
    ['a field in the wrong place', (pod: Pod) => Object.assign(pod, { capabilities: { drop: ['ALL'] } })],
    ['a missing name', (pod: Pod) => delete (pod.containers[0] as { name?: string }).name],
    ['a wrong type', (pod: Pod) => (pod.terminationGracePeriodSeconds = '60' as never)],
    ['an unknown value', (pod: Pod) => ((pod.containers[0] as { ports?: unknown }).ports = [{ containerPort: 'x' }])],
  ])('would be refused with %s', (_, breakPod) => {
    const broken = structuredClone(find(rendered['single'] as Manifest[], 'Deployment'));
    breakPod(podOf(broken) as Pod);
    expect(findFaults([broken])).toHaveLength(1);
  });

  // From config/crd/standard of the Gateway API 1.4: no package has the schema of this kind.
  it('have a BackendTLSPolicy as its CRD asks for', () => {
    const text = { type: 'string', minLength: 1 };
    const object = (properties: { [name: string]: unknown }, required = Object.keys(properties)) => ({
      type: 'object',
      additionalProperties: false,
      properties,
      required,
    });
    const list = (items: object) => ({ type: 'array', minItems: 1, items });
    const target = { group: { type: 'string' }, kind: text, name: text };
    const validation = object({
      hostname: { ...text, pattern: '^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$' },
      caCertificateRefs: list(object(target)),
    });
    const sectioned = { ...target, sectionName: text };
    const isValid = new Ajv().compile(
      object({
        apiVersion: { const: 'gateway.networking.k8s.io/v1' },
        kind: { const: 'BackendTLSPolicy' },
        metadata: object({ name: text, namespace: text }),
        spec: object({ targetRefs: list(object(sectioned, Object.keys(target))), validation }),
      }),
    );
    const policies = plain.flatMap(({ manifests }) => manifests).filter((one) => !hasSchema(one));
    expect(policies).toHaveLength(1);
    expect(policies.map((policy) => isValid(policy) || isValid.errors)).toEqual([true]);
  });
});

const pods: (readonly [string, Pod])[] = [
  ...Object.entries(rendered),
  ...plain.map(({ path, manifests }) => [path, manifests] as const),
].flatMap(([name, manifests]) =>
  manifests.flatMap((one) =>
    podOf(one) === undefined ? [] : [[`${name} ${one.metadata.name}`, podOf(one) as Pod] as const],
  ),
);

describe.each(pods)('the pod of %s', (_, pod) => {
  it('runs as nobody of the machine, without a token', () => {
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    expect(pod.automountServiceAccountToken).toBe(false);
    expect(Object.keys(pod).filter((name) => /^host/.test(name))).toEqual([]);
  });

  it.each(containersOf(pod).map((one) => [one.name, one] as const))('%s: no root, nothing to write', (name, one) => {
    expect(one.securityContext, name).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(one.securityContext['capabilities'], name).not.toHaveProperty('add');
    expect(one.securityContext['privileged'] ?? false).toBe(false);
    expect(one.securityContext['runAsUser']).toBeGreaterThan(0);
    expect(one.image).toMatch(/^[\w./-]+:\d+\.\d+\.\d+$/);
    expect(one.resources).toMatchObject({
      requests: { cpu: expect.any(String), memory: expect.any(String) },
      limits: { memory: expect.any(String) },
    });
  });

  it('has no secret in its environment, and only settings that there are', () => {
    for (const one of containersOf(pod)) {
      for (const { secretRef } of one.envFrom ?? []) expect(secretRef).toBeUndefined();
      for (const { name, valueFrom } of one.env ?? []) {
        expect(valueFrom?.['secretKeyRef'], name).toBeUndefined();
        expect([...Object.keys(table), ...podSettings]).toContain(name);
        expect(name).not.toMatch(secretName);
      }
    }
  });

  it('mounts whole folders, of volumes that have an end', () => {
    const volumes = pod.volumes ?? [];
    for (const one of containersOf(pod)) {
      for (const mount of one.volumeMounts ?? []) {
        expect(mount).not.toHaveProperty('subPath');
        expect(mount).not.toHaveProperty('subPathExpr');
        const volume = volumes.find(({ name }) => name === mount.name);
        expect(volume, mount.name).toBeDefined();
        if (volume?.secret !== undefined || volume?.configMap !== undefined)
          expect(mount.readOnly, mount.name).toBe(true);
      }
    }
    for (const { name, emptyDir, secret } of volumes) {
      if (emptyDir !== undefined)
        expect(emptyDir, name).toMatchObject({ sizeLimit: expect.stringMatching(/^\d+Mi$/), medium: 'Memory' });
      if (secret !== undefined) expect(secret.defaultMode, name).toBe(0o440);
    }
  });
});

const secretName = /^(?:API_KEYS?|REDIS_PASSWORD|GITHUB_TOKEN)$/;

describe.each(overlays)('a gateway by %s', (overlay) => {
  const manifests = rendered[overlay] as Manifest[];
  const pod = podFrom(overlay);
  const named = (name: string) => containersOf(pod).find((one) => one.name === name);

  it('has the sidecar start before nginx and end after it', () => {
    expect(pod.containers.map(({ name }) => name)).toEqual(['nginx']);
    const init = pod.initContainers ?? [];
    expect(init.at(-1)).toMatchObject({ name: 'verifier', restartPolicy: 'Always', startupProbe: expect.anything() });
    for (const one of init.slice(0, -1)) expect(one).not.toHaveProperty('restartPolicy');
  });

  it('lets nginx write to /tmp alone, and see no private key but that of its certificate', () => {
    const mounts = named('nginx')?.volumeMounts ?? [];
    expect(mounts.filter(({ readOnly }) => readOnly !== true).map(({ mountPath }) => mountPath)).toEqual(['/tmp']);
    const names = mounts.map(({ name }) => name);
    expect(names).not.toContain('state');
    expect(names).not.toContain('cluster');
    expect(named('verifier')?.volumeMounts.map(({ name }) => name)).not.toContain('certs');
  });

  it('gives open requests the time that nginx waits for them', () => {
    const conf =
      overlay === 'embedded-config'
        ? 'deploy/kubernetes/overlays/embedded-config/nginx.conf'
        : 'nginx/gateway/nginx.conf.template';
    const drain = Number(/worker_shutdown_timeout (\d+)s;/.exec(readFileSync(join(root, conf), 'utf8'))?.[1]);
    const [command = ''] = named('nginx')?.lifecycle?.preStop.exec.command.slice(-1) ?? [];
    const pause = Number(/^sleep (\d+); nginx -e stderr -s quit /.exec(command)?.[1]);
    expect(pause).toBeGreaterThan(0);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(pause + drain + 10);
  });

  it('is ready by what nginx itself says, and alive without any answer', () => {
    const { httpGet } = named('nginx')?.readinessProbe ?? {};
    expect(httpGet).toMatchObject({ path: expect.stringMatching(/\/health\/ready$/), scheme: 'HTTPS', port: 'https' });
    expect(named('nginx')?.livenessProbe).toHaveProperty('exec');
    expect(JSON.stringify(named('nginx')?.livenessProbe)).not.toMatch(/curl|http/);
    expect(named('verifier')).not.toHaveProperty('readinessProbe'); // it would count for the pod
  });

  it('has only settings that there are, none of them a secret', () => {
    const maps = manifests.filter(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.startsWith('keygate-settings'),
    );
    expect(maps).toHaveLength(1);
    const names = Object.keys(maps[0]?.data ?? {});
    const known = [...Object.keys(table), ...podSettings, ...fromFiles.map((name) => `${name}_FILE`)];
    for (const name of names) expect(known, name).toContain(name);
    for (const name of names) expect(name).not.toMatch(secretName);
    expect(names.filter((name) => (containerSettings as string[]).includes(name))).toEqual([]);
  });

  it('is found by its services, its budget and its policy', () => {
    const labels = (find(manifests, 'Deployment').spec as { template: { metadata: { labels: object } } }).template
      .metadata.labels;
    const selectors = manifests.flatMap(({ kind, spec = {} }) => {
      if (kind === 'Service') return [spec['selector'] as object];
      if (kind === 'NetworkPolicy') return [(spec['podSelector'] as { matchLabels: object }).matchLabels];
      if (kind === 'PodDisruptionBudget') return [(spec['selector'] as { matchLabels: object }).matchLabels];
      return [];
    });
    expect(selectors).toHaveLength(4);
    for (const selector of selectors) expect(labels).toMatchObject(selector);
  });

  it('lets no metrics out but to Prometheus, and no pod out but to DNS, the application and the store', () => {
    const { ingress, egress, policyTypes } = find(manifests, 'NetworkPolicy').spec as {
      [name: string]: { from?: object[]; to?: object[]; ports: { port: unknown }[] }[];
    };
    expect(policyTypes).toEqual(['Ingress', 'Egress']);
    const open = ingress
      ?.filter(({ from }) => from === undefined)
      .flatMap(({ ports }) => ports.map(({ port }) => port));
    expect(open).toEqual(['https']);
    for (const { to } of egress ?? []) expect(to?.length).toBeGreaterThan(0);
    const ports = egress?.flatMap((rule) => rule.ports.map(({ port }) => port));
    expect([...new Set(ports)]).toEqual(overlay === 'with-redis' ? [53, 8080, 6379] : [53, 8080]);
  });
});

describe('with-redis', () => {
  const manifests = rendered['with-redis'] as Manifest[];

  it('has two pods or more, as many as the autoscaler says', () => {
    const { minReplicas, maxReplicas } = find(manifests, 'HorizontalPodAutoscaler').spec as { [name: string]: number };
    expect(minReplicas).toBe(2);
    expect(maxReplicas).toBeGreaterThan(2);
    expect(find(manifests, 'Deployment').spec).not.toHaveProperty('replicas'); // each apply would undo the autoscaler
  });

  it("keeps the cluster's secrets in the folder that the settings name", () => {
    const settings = manifests.find(({ metadata }) => metadata.name.startsWith('keygate-settings'))?.data ?? {};
    for (const name of ['CLUSTER_SECRET_FILE', 'REDIS_PASSWORD_FILE'])
      expect(settings[name]).toMatch(/^\/etc\/keygate\/cluster\//);
    for (const name of ['check', 'setup', 'verifier']) {
      const one = containersOf(podFrom('with-redis')).find((container) => container.name === name);
      expect(one?.volumeMounts).toContainEqual({ name: 'cluster', mountPath: '/etc/keygate/cluster', readOnly: true });
    }
  });
});

describe('single and embedded-config', () => {
  it.each(['single', 'embedded-config'])(
    '%s: one pod at a time, with all that its tokens need on volumes',
    (overlay) => {
      const manifests = rendered[overlay] as Manifest[];
      expect(find(manifests, 'Deployment').spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } });
      for (const name of ['state', 'public']) {
        const claim = { name, persistentVolumeClaim: { claimName: `keygate-${name}` } };
        expect(podFrom(overlay).volumes).toContainEqual(claim);
        expect(find(manifests, 'PersistentVolumeClaim', `keygate-${name}`)).toBeDefined();
      }
      expect(manifests.some(({ kind }) => kind === 'HorizontalPodAutoscaler')).toBe(false);
    },
  );

  it('has the settings.conf of this version', () => {
    const settingsIn = (path: string) =>
      [...readFileSync(join(root, path), 'utf8').matchAll(/^js_var (\$\w+)/gm)].map(([, name]) => name);
    expect(settingsIn('deploy/kubernetes/overlays/embedded-config/settings.conf')).toEqual(
      settingsIn('nginx/snippets/settings.conf'),
    );
  });
});

describe('deploy/', () => {
  it("renders the kustomization of docs/kubernetes.md, with the operator's images and settings", () => {
    const docs = readFileSync(join(root, 'docs/kubernetes.md'), 'utf8');
    const [, text = ''] = /kustomization\.yaml <<'END'\n([^]*?)\n {4}END/.exec(docs) ?? [];
    const dir = mkdtempSync(join(tmpdir(), 'keygate-kustomize-'));
    try {
      const there = relative(dir, deployDir);
      writeFileSync(
        join(dir, 'kustomization.yaml'),
        text.replaceAll(/^ {4}/gm, '').replace('../deploy/kubernetes', there),
      );
      const manifests = render(dir);
      expect(findFaults(manifests)).toEqual([]);
      for (const { image } of containersOf(podOf(find(manifests, 'Deployment')) as Pod))
        expect(image).toMatch(/^registry\.example\/keygate-(?:nginx|verifier):\d/);
      const settings = manifests.find(({ metadata }) => metadata.name.startsWith('keygate-settings-'));
      expect(settings?.data).toMatchObject({ TRUSTED_PROXIES: '10.244.0.0/16', NAME_SERVER: 'system' });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('is in the package, and its images have the version of the package', () => {
    const { files, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      files: string[];
      version: string;
    };
    expect(files).toContain('deploy');
    for (const [, pod] of pods) for (const { image } of containersOf(pod)) expect(image.split(':')[1]).toBe(version);
  });

  it('has no file that no kustomization and no docs name', () => {
    const named = readdirSync(deployDir, { recursive: true, encoding: 'utf8' }).filter((path) =>
      /(?:\.yaml|\.env|\.conf)$/.test(path),
    );
    for (const path of named.filter((one) => !one.startsWith('examples/') && !one.endsWith('kustomization.yaml'))) {
      const kustomization = readFileSync(join(deployDir, path, '../kustomization.yaml'), 'utf8');
      expect(kustomization, path).toContain(path.split('/').at(-1));
    }
  });
});
