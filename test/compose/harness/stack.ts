// A running stack, brought up by testcontainers from a fresh clone with a .env of its own.

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { DockerComposeEnvironment, Wait, type StartedDockerComposeEnvironment } from 'testcontainers';
import { makeClone, type Clone } from './clone.js';

export interface Stack extends Clone {
  environment: StartedDockerComposeEnvironment;
  /** What `docker inspect` says of a service's container. */
  inspect: (service: string) => Inspected;
  stop: () => Promise<void>;
}

export interface Inspected {
  State: { Pid: number; Status: string; ExitCode: number; OOMKilled: boolean };
  Config: { User: string; Env: string[]; Image: string; StopSignal?: string };
  HostConfig: {
    ReadonlyRootfs: boolean;
    CapDrop: string[];
    SecurityOpt: string[];
    Memory: number;
    PidsLimit: number;
    RestartPolicy: { Name: string };
    PortBindings: { [port: string]: { HostIp: string; HostPort: string }[] } | null;
  };
}

/** The services that stay, with a token or without. */
export const services = ['nginx', 'verifier', 'demo-upstream'];

/**
 * Brings the stack up.
 * @param prepare writes what the settings name, in the clone's folder, and returns the settings for .env
 */
export async function startStack(
  project: string,
  prepare: (clone: Clone) => { [name: string]: string },
): Promise<Stack> {
  const clone = await makeClone(project);
  for (const [name, value] of Object.entries(prepare(clone)))
    appendFileSync(join(clone.dir, '.env'), `${name}=${value}\n`);
  const environment = await new DockerComposeEnvironment(clone.dir, 'docker-compose.yml')
    .withProjectName(project)
    .withEnvironment({ LISTEN_PORT: String(clone.port) })
    .withBuild()
    .withDefaultWaitStrategy(Wait.forHealthCheck())
    .up();
  const inspect = (service: string) =>
    (JSON.parse(clone.run(`docker inspect ${project}-${service}-1`).stdout) as [Inspected])[0];
  const stop = async () => {
    await environment.down({ removeVolumes: true });
    clone.remove();
  };
  return { ...clone, environment, inspect, stop };
}

/**
 * Kills a container's first process as the kernel would; `docker kill` would also turn its restart off.
 * @returns the id of that process
 */
export function killFromOutside(stack: Stack, service: string): number {
  const { Pid } = stack.inspect(service).State;
  const image = `${stack.project}-verifier`;
  const { status, said } = stack.run(`docker run --rm --pid host --user 0 ${image} sh -c 'kill -9 ${Pid}'`);
  if (status !== 0) throw new Error(said);
  return Pid;
}
