// Debian's Prometheus with the shipped configuration: other target, shorter times, its data in a folder of its own.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unpackPackage } from '../../../nginx/runtime/unpack_nginx.js';
import { freePort } from './free_port.js';

/** Where the shipped configuration is. */
export const monitoringFolder = join(import.meta.dirname, '../../../container/monitoring');

export interface Sample {
  metric: { [label: string]: string };
  /** Time and value. */
  values: [number, string][];
}

export interface Alert {
  labels: { [label: string]: string };
  annotations: { [name: string]: string };
  state: 'pending' | 'firing';
}

export interface Rule {
  name: string;
  query: string;
  health: string;
  labels: { [label: string]: string };
  annotations: { [name: string]: string };
}

export interface RunningPrometheus {
  /** The samples of the last half minute; an error for a query that does not parse. */
  query: (expression: string) => Promise<Sample[]>;
  /** The syntax tree of a query. */
  parse: (expression: string) => Promise<Node>;
  rules: () => Promise<Rule[]>;
  alerts: () => Promise<Alert[]>;
  stop: () => Promise<void>;
}

/** A node of a syntax tree, as Prometheus describes it. */
export interface Node {
  type: string;
  name?: string;
  matchers?: { name: string; type: string; value: string }[];
  grouping?: string[];
}

/** Starts Prometheus and waits until it has scraped a target, `address:port`. */
export async function startPrometheus(target: string): Promise<RunningPrometheus> {
  const dir = mkdtempSync(join(tmpdir(), 'keygate-prometheus-'));
  const shipped = (name: string) => readFileSync(join(monitoringFolder, name), 'utf8');
  const conf = shipped('prometheus.yml')
    .replace('nginx:9145', target)
    .replace(/(scrape_interval|scrape_timeout|evaluation_interval): \S+/g, '$1: 500ms');
  writeFileSync(join(dir, 'prometheus.yml'), conf);
  writeFileSync(join(dir, 'alerts.yml'), shipped('alerts.yml').replace(/for: \d+m/g, 'for: 1s'));
  mkdirSync(join(dir, 'data'));
  const listen = `127.0.0.1:${await freePort()}`;
  const program = join(unpackPackage('forky', 'prometheus'), 'usr/bin/prometheus');
  const files = [`--config.file=${join(dir, 'prometheus.yml')}`, `--storage.tsdb.path=${join(dir, 'data')}`];
  const child = spawn(program, [...files, `--web.listen-address=${listen}`], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => said.push(part.toString()));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const running = { ...askPrometheus(`http://${listen}/api/v1`), stop };
  async function stop() {
    child.kill('SIGKILL');
    await ended;
    rmSync(dir, { recursive: true, force: true });
  }
  await waitUntil(
    async () => (await running.query('up == 1').catch(() => [])).length > 0,
    () => `Prometheus did not scrape\n${child.exitCode}\n${said.join('')}`,
  ).catch(async (error) => {
    await stop();
    throw error;
  });
  return running;
}

/** Runs promtool in the folder of the shipped configuration. */
export function runPromtool(...args: string[]): { status: number | null; said: string } {
  return runPromtoolOn('', ...args);
}

/** Runs promtool with a text on its standard input. */
export function runPromtoolOn(input: string, ...args: string[]): { status: number | null; said: string } {
  const program = join(unpackPackage('forky', 'promtool'), 'usr/bin/promtool');
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: monitoringFolder, encoding: 'utf8', input });
  return { status, said: stdout + stderr };
}

/** Asks every quarter of a second, for 20 s at most. */
export async function waitUntil(holds: () => Promise<boolean>, complaint: () => string): Promise<void> {
  for (let i = 0; !(await holds()); i++) {
    if (i > 80) throw new Error(complaint());
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Every node below and including one. */
export function nodesOf(node: Node): Node[] {
  const parts = Object.values(node).flat() as unknown[];
  const inner = parts.filter((part): part is Node => typeof part === 'object' && part !== null && 'type' in part);
  return [node, ...inner.filter((part) => !('value' in part)).flatMap(nodesOf)];
}

function askPrometheus(api: string): Omit<RunningPrometheus, 'stop'> {
  async function ask<Data>(path: string, parameters: { [name: string]: string } = {}): Promise<Data> {
    const answer = await fetch(`${api}/${path}?${new URLSearchParams(parameters)}`);
    const { status, data, error } = (await answer.json()) as { status: string; data: Data; error?: string };
    if (status !== 'success') throw new Error(`${parameters['query'] ?? path}: ${error ?? status}`);
    return data;
  }
  return {
    query: async (query) => {
      const now = Date.now() / 1000;
      const range = { query, start: String(now - 30), end: String(now), step: '1' };
      return (await ask<{ result: Sample[] }>('query_range', range)).result;
    },
    parse: (query) => ask<Node>('parse_query', { query }),
    rules: async () =>
      (await ask<{ groups: { rules: Rule[] }[] }>('rules', { type: 'alert' })).groups.flatMap(({ rules }) => rules),
    alerts: async () => (await ask<{ alerts: Alert[] }>('alerts')).alerts,
  };
}
