// What kubelet does with a pod, done by Docker: the containers of the manifests with their users, mounts, probes and
// hooks, in one network namespace. Volumes are tmpfs; a Secret changes by an atomic swap of `..data`.

import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { freePort } from '../../gateway/harness/free_port.js';
import {
  containersOf,
  podOf,
  type Container,
  type Manifest,
  type Pod,
  type Volume,
} from '../../deploy/harness/manifests.js';

export interface Files {
  [name: string]: string;
}

export interface PodOptions {
  /** Names of containers and networks begin with it. */
  project: string;
  manifests: Manifest[];
  /** By the name of the Secret. */
  secrets: { [name: string]: Files };
  /** The images by the names that the manifests have. */
  images: { [name: string]: string };
  network: string;
  /** In the place of those of the ConfigMap. */
  settings?: Files;
  /** Of this pod, where there are several; `project` is its own, too. */
  podName?: string;
}

export interface Ran {
  status: number | null;
  said: string;
}

/** Runs docker. */
export function docker(args: string[], input?: string): Ran & { stdout: string } {
  const { status, stdout, stderr } = spawnSync('docker', args, { encoding: 'utf8', timeout: 120000, input });
  return { status, stdout, said: stdout + stderr };
}

/** The same, of which the output counts. @throws Error with what it said */
export function dockerOutput(args: string[], input?: string): string {
  const { status, stdout, said } = docker(args, input);
  if (status !== 0) throw new Error(`docker ${args.join(' ')}: ${said}`);
  return stdout.trim();
}

const fsGroup = 10500;

/** A pod on this machine. */
export class LocalPod {
  readonly pod: Pod;
  readonly pause: string;
  port = 0;
  metricsPort = 0;
  address = '';

  constructor(private readonly options: PodOptions) {
    this.pod = options.manifests.map(podOf).find((one) => one !== undefined) as Pod;
    this.pause = `${options.project}-pause`;
  }

  /** Makes the network namespace and the volumes; a volume of a claim outlives the pod. */
  async create(): Promise<void> {
    const { project, images, network } = this.options;
    this.port = await freePort();
    this.metricsPort = await freePort();
    const volumes = this.pod.volumes ?? [];
    for (const volume of volumes) this.makeVolume(volume);
    const mounts = volumes.flatMap(({ name }) => ['-v', `${project}-${name}:/volumes/${name}`]);
    const ports = ['-p', `127.0.0.1:${this.port}:5000`, '-p', `127.0.0.1:${this.metricsPort}:9145`];
    const image = images['keygate-verifier'] as string;
    const args = ['run', '-d', '--user', '0', '--name', this.pause, '--network', network, ...ports, ...mounts];
    dockerOutput([...args, '--entrypoint', 'sleep', image, 'infinity']);
    this.address = dockerOutput([
      'inspect',
      '-f',
      `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`,
      this.pause,
    ]);
    for (const volume of volumes) this.fillVolume(volume);
  }

  private makeVolume({ name, emptyDir, persistentVolumeClaim }: Volume): void {
    const size = emptyDir?.sizeLimit?.replace('Mi', 'm') ?? '8m';
    const tmpfs = ['--driver', 'local', '--opt', 'type=tmpfs', '--opt', 'device=tmpfs', '--opt', `o=size=${size}`];
    dockerOutput(['volume', 'create', ...(persistentVolumeClaim ? [] : tmpfs), `${this.options.project}-${name}`]);
  }

  private fillVolume({ name, secret, configMap }: Volume): void {
    this.asRoot(`chgrp ${fsGroup} /volumes/${name} && chmod 2777 /volumes/${name}`);
    if (secret !== undefined) this.swap(name, this.options.secrets[secret.secretName] ?? {});
    if (configMap !== undefined) this.swap(name, this.mapOf(configMap.name) ?? {});
  }

  /** Changes a Secret as kubelet does (pkg/volume/util/atomic_writer.go): all of its files at once. */
  swap(name: string, files: Files): void {
    const volume = this.pod.volumes?.find((one) => one.name === name);
    const items = volume?.secret?.items;
    const mode = (volume?.secret?.defaultMode ?? 0o644).toString(8);
    const placed = items?.map(({ key, path }) => [path, files[key] ?? ''] as const) ?? Object.entries(files);
    const dir = `..${Date.now()}`;
    const lines = placed.flatMap(([path, text]) => [
      `echo ${Buffer.from(text).toString('base64')} | base64 -d > ${dir}/${path}`,
      `chgrp ${fsGroup} ${dir}/${path}; chmod 0${mode} ${dir}/${path}`,
    ]);
    const links = placed.map(([path]) => `ln -sfn ..data/${path} ${path}`);
    this.asRoot(
      [
        `set -e; cd /volumes/${name}; old=$(readlink ..data || true); mkdir -m 0755 ${dir}`,
        ...lines,
        `ln -s ${dir} ..data_tmp; mv -T ..data_tmp ..data`,
        ...links,
        'for link in *; do [ -e "$link" ] || rm -f "$link"; done',
        '[ -z "$old" ] || rm -r "$old"',
      ].join('\n'),
    );
  }

  private asRoot(script: string): void {
    dockerOutput(['exec', '-i', this.pause, 'sh', '-s'], script);
  }

  /** Runs an init container to its end. */
  runOnce(name: string): Ran {
    return docker(['run', '--rm', ...this.argsOf(this.container(name))]);
  }

  /** Starts all containers in their order, each after what it waits for. @throws Error where one fails */
  async start(): Promise<void> {
    for (const one of containersOf(this.pod)) {
      if (this.pod.initContainers?.includes(one) && one.restartPolicy !== 'Always') {
        const { status, said } = this.runOnce(one.name);
        if (status !== 0) throw new Error(`${one.name}: ${said}`);
      } else {
        dockerOutput(['run', '-d', '--name', this.nameOf(one.name), ...this.argsOf(one)]);
        await this.waitForStart(one);
      }
    }
  }

  private async waitForStart({ name, startupProbe }: Container): Promise<void> {
    if (startupProbe === undefined) return;
    for (let i = 0; i < 60; i++) {
      if (this.exec(name, startupProbe.exec.command).status === 0) return;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    throw new Error(`${name} did not start: ${this.logs(name)}`);
  }

  private argsOf(one: Container): string[] {
    const { project, images } = this.options;
    const { runAsGroup } = this.pod.securityContext;
    const { runAsUser } = one.securityContext;
    const { memory } = one.resources.limits ?? {};
    const image = images[one.image.split(':')[0] as string] as string;
    return [
      ...['--network', `container:${this.pause}`, '--user', `${String(runAsUser)}:${String(runAsGroup)}`],
      ...['--group-add', String(this.pod.securityContext['fsGroup']), '--read-only', '--cap-drop', 'ALL'],
      ...['--security-opt', 'no-new-privileges', '--memory', String(memory).replace('Mi', 'm').replace('Gi', 'g')],
      ...Object.entries(this.environmentOf(one)).flatMap(([name, value]) => ['-e', `${name}=${value}`]),
      ...one.volumeMounts.flatMap(({ name, mountPath, readOnly }) => [
        '-v',
        `${project}-${name}:${mountPath}:nocopy${readOnly === true ? ',ro' : ''}`,
      ]),
      image,
      ...(one.command ?? []),
    ];
  }

  private environmentOf({ envFrom = [], env = [] }: Container): Files {
    const { settings = {} } = this.options;
    const maps = envFrom.map(({ configMapRef }) => this.mapOf(configMapRef?.name));
    const own = env.map(({ name, value, valueFrom }) => [name, value ?? this.factOf(valueFrom ?? {})] as const);
    const kubelets = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_PORT: 'tcp://10.96.0.1:443' };
    const fromMaps = maps.reduce((all, map) => ({ ...all, ...map }), {});
    return { ...kubelets, ...fromMaps, ...(envFrom.length > 0 ? settings : {}), ...Object.fromEntries(own) };
  }

  private mapOf(name: string | undefined): Files | undefined {
    const { manifests } = this.options;
    return manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name)?.data;
  }

  private factOf({
    fieldRef,
    resourceFieldRef,
    configMapKeyRef,
  }: {
    [source: string]: { [name: string]: string };
  }): string {
    const { podName = 'keygate-6d4cf56db6-x7k2p' } = this.options;
    if (fieldRef?.['fieldPath'] === 'metadata.name') return podName;
    if (fieldRef?.['fieldPath'] === 'status.podIP') return this.address;
    if (configMapKeyRef !== undefined) return this.mapOf(configMapKeyRef['name'])?.[configMapKeyRef['key'] ?? ''] ?? '';
    const { requests } = this.container(resourceFieldRef?.['containerName'] ?? '').resources;
    return String(Math.ceil(Number(requests?.[resourceFieldRef?.['resource']?.split('.')[1] ?? ''])));
  }

  /** Runs a command in a container, as a probe or a hook does. */
  exec(name: string, command: string[]): Ran {
    return docker(['exec', this.nameOf(name), ...command]);
  }

  container(name: string): Container {
    return containersOf(this.pod).find((one) => one.name === name) as Container;
  }

  nameOf(name: string): string {
    return `${this.options.project}-${name}`;
  }

  logs(name: string): string {
    return docker(['logs', this.nameOf(name)]).said;
  }

  /** `running`, or `exited` with the exit code. */
  stateOf(name: string): string {
    return dockerOutput(['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', this.nameOf(name)]).replace(
      'running 0',
      'running',
    );
  }

  /** Ends nginx as kubelet does: its hook, then the stop signal of its image; the sidecar lives on. */
  async endNginx(): Promise<void> {
    const run = promisify(execFile);
    const { lifecycle } = this.container('nginx');
    const hook = lifecycle?.preStop.exec.command ?? [];
    await run('docker', ['exec', this.nameOf('nginx'), ...hook]).catch(() => undefined); // it ends with the container
    await run('docker', ['stop', '-t', '30', this.nameOf('nginx')]);
  }

  /** Ends the sidecar: native sidecars get their signal when all others have ended. */
  endSidecar(): void {
    dockerOutput(['stop', '-t', '30', this.nameOf('verifier')]);
  }

  /** Takes containers and volumes away, but those of claims unless told so. */
  remove(withClaims = true): void {
    const names = containersOf(this.pod).map(({ name }) => this.nameOf(name));
    docker(['rm', '-f', ...names, this.pause]);
    const gone = (this.pod.volumes ?? []).filter((one) => withClaims || one.persistentVolumeClaim === undefined);
    docker(['volume', 'rm', '-f', ...gone.map(({ name }) => `${this.options.project}-${name}`)]);
  }
}
