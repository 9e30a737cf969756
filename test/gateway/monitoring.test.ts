// An operator who opens the dashboard to see whether anything is wrong, or is woken by an alert: Debian's Prometheus
// with the shipped configuration scrapes a gateway under mixed traffic.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { metricsTable } from '../../monitoring/metrics_table.js';
import { send } from './harness/client.js';
import { caused, startMonitored, type Monitored } from './harness/monitored.js';
import {
  monitoringFolder,
  nodesOf,
  runPromtool,
  runPromtoolOn,
  startPrometheus,
  waitUntil,
  type RunningPrometheus,
} from './harness/prometheus.js';

interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  datasource?: { uid: string };
  fieldConfig?: { defaults: { unit?: string } };
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; datasource: { uid: string } }[];
}

interface Dashboard {
  schemaVersion: number;
  panels: Panel[];
  annotations: { list: { expr?: string }[] };
  templating: { list: { name: string; type: string }[] };
}

const shipped = (name: string) => readFileSync(join(monitoringFolder, name), 'utf8');
const dashboard = JSON.parse(shipped('grafana/dashboards/keygate.json')) as Dashboard;
const panels = dashboard.panels.filter(({ type }) => type !== 'row');
const panelQueries = panels.flatMap(({ title, targets }) => (targets ?? []).map(({ expr }) => ({ title, expr })));

// What Grafana puts into a query.
const fill = (expression: string) =>
  expression.replaceAll('$__rate_interval', '5s').replaceAll('$__range', '30s').replaceAll('$instance', '.+');

describe('the configuration of Prometheus', () => {
  it('is one that promtool finds nothing to say about', () => {
    expect(runPromtool('check', 'config', '--lint=all', '--lint-fatal', 'prometheus.yml')).toMatchObject({ status: 0 });
    expect(runPromtool('check', 'rules', '--lint=all', '--lint-fatal', 'alerts.yml')).toMatchObject({ status: 0 });
  });

  it('makes each alert fire once when its cause lasts, and none without a cause', () => {
    const { status, said } = runPromtool('test', 'rules', 'alerts.test.yml');
    expect(status, said).toBe(0);
    const alerts = [...shipped('alerts.yml').matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
    const fired = [...shipped('alerts.test.yml').matchAll(/alertname="(\w+)"/g)].map(([, name]) => name);
    expect([...new Set(fired)].sort()).toEqual(alerts.sort());
  });

  it('has the alerts that docs/monitoring.md lists, and no other', () => {
    const docs = readFileSync(join(import.meta.dirname, '../../docs/monitoring.md'), 'utf8');
    const listed = [...docs.matchAll(/^\| `(Keygate\w+)` +\| (\w+) /gm)].map(
      ([, name, severity]) => `${name} ${severity}`,
    );
    const alerts = shipped('alerts.yml').matchAll(/- alert: (\w+)[^]*?severity: (\w+)/g);
    expect(listed.sort()).toEqual([...alerts].map(([, name, severity]) => `${name} ${severity}`).sort());
  });

  it('expects of each zone but those that evict that it does not become full', () => {
    const folder = join(import.meta.dirname, '../../nginx/snippets');
    const snippets = readdirSync(folder)
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('\n');
    const evicting = [...snippets.matchAll(/zone=keygate_(\w+):[^;]* evict\b/g)].map(([, zone]) => zone);
    const matcher = `zone!~"keygate_(${evicting.join('|')})"`;
    expect(shipped('alerts.yml')).toContain(matcher);
    expect(panelQueries.find(({ title }) => title === 'Fullest zone')?.expr).toContain(matcher);
  });
});

describe('the dashboard', () => {
  it('has the newest classic schema, and panels that Grafana still has', () => {
    expect(dashboard.schemaVersion).toBe(42);
    const known = ['timeseries', 'stat', 'gauge', 'bargauge', 'table', 'state-timeline', 'heatmap'];
    expect(panels.filter(({ type }) => !known.includes(type))).toEqual([]);
    expect(dashboard.templating.list.map(({ name }) => name)).toEqual(['datasource', 'instance']);
  });

  it.each(panels.map((panel) => [panel.title, panel] as const))(
    '%s: says what it shows, from the data source that was chosen',
    (_, panel) => {
      expect(panel.description).toMatch(/^[A-Z].*\.$/);
      expect(panel.targets?.length).toBeGreaterThan(0);
      const uids = [panel.datasource, ...(panel.targets ?? []).map(({ datasource }) => datasource)];
      expect(new Set(uids.map((one) => one?.uid))).toEqual(new Set(['${datasource}']));
      if (!['table', 'heatmap'].includes(panel.type)) expect(panel.fieldConfig?.defaults.unit).toBeDefined();
    },
  );

  it('has panels beside and below each other, and none on another', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });
});

describe('Prometheus, beside a gateway under mixed traffic', () => {
  let monitored: Monitored;
  let prometheus: RunningPrometheus;

  beforeAll(async () => {
    monitored = await startMonitored();
    prometheus = await startPrometheus(monitored.address);
  });
  afterAll(async () => {
    await prometheus?.stop();
    await monitored?.stop();
  });

  // Metrics with a matcher or a grouping for each label, of dashboard and alerts.
  const readQueries = async () => {
    const annotations = dashboard.annotations.list.flatMap(({ expr }) => (expr === undefined ? [] : [expr]));
    const alerts = (await prometheus.rules()).map(({ query }) => query);
    const queries = [...panelQueries.map(({ expr }) => expr), ...annotations, ...alerts];
    return (await Promise.all(queries.map((query) => prometheus.parse(fill(query))))).flatMap(nodesOf);
  };

  it.each(panels.map((panel) => [panel.title, panel] as const))('%s: has data', async (_, { targets }) => {
    for (const { expr } of targets ?? []) {
      const isNumber = ([, value]: [number, string]) => Number.isFinite(Number(value));
      const hasData = async () => (await prometheus.query(fill(expr))).some(({ values }) => values.some(isNumber));
      await waitUntil(hasData, () => `no data: ${fill(expr)}`);
    }
  });

  it('scrapes a text that promtool finds nothing to say about', async () => {
    const { status, body } = await send(`http://${monitored.address}`, '/metrics');
    expect(status).toBe(200);
    expect(runPromtoolOn(body, 'check', 'metrics')).toEqual({ status: 0, said: '' });
    expect(runPromtoolOn(`${body}keygate_bad-name 1\n`, 'check', 'metrics').status).not.toBe(0);
  });

  it('shows every metric, and asks for none that Keygate does not have', async () => {
    const nodes = await readQueries();
    const used = nodes.flatMap(({ type, name }) => (/Selector$/.test(type) && name !== undefined ? [name] : []));
    const metrics = used.map((name) => name.replace(/_(?:bucket|sum|count)$/, ''));
    const foreign = ['up', 'ALERTS'];
    const names = metricsTable.map(({ name }) => name);
    expect([...new Set(metrics)].filter((name) => !foreign.includes(name)).sort()).toEqual([...new Set(names)].sort());
  });

  it('asks for no label that Keygate does not have', async () => {
    const nodes = await readQueries();
    const labels = metricsTable.flatMap((metric) => metric.labels);
    const known = [...labels, '__name__', 'job', 'instance', 'le', 'alertname', 'alertstate'];
    const asked = nodes.flatMap(({ matchers, grouping }) => [
      ...(matchers ?? []).map(({ name }) => name),
      ...(grouping ?? []),
    ]);
    expect(asked.filter((name) => !known.includes(name))).toEqual([]);
  });

  it('evaluates every alert, has data of all that it asks for, and fires none', async () => {
    const rules = await prometheus.rules();
    expect(rules.length).toBeGreaterThan(8);
    await waitUntil(
      async () => (await prometheus.rules()).every(({ health }) => health === 'ok'),
      () => JSON.stringify(rules),
    );
    for (const { query, labels, annotations } of rules) {
      expect(labels['severity']).toMatch(/^(?:critical|warning)$/);
      expect(annotations['summary']).toBeTruthy();
      expect(annotations['description']).toBeTruthy();
      const selectors = nodesOf(await prometheus.parse(query)).filter(({ type }) => /Selector$/.test(type));
      expect(selectors.length).toBeGreaterThan(0);
      for (const { matchers } of selectors) {
        const selector = (matchers ?? []).map((one) => one.name + one.type + JSON.stringify(one.value)).join();
        expect(await prometheus.query(`{${selector}}`), query).not.toEqual([]);
      }
    }
    expect(await prometheus.alerts()).toEqual([]);
  });

  const firing = async () => (await prometheus.alerts()).filter(({ state }) => state === 'firing');
  const namesFiring = async () => (await firing()).map(({ labels }) => labels['alertname']).join();

  it.each(caused)('fires %s alone while its cause lasts, and says so in words', async (name) => {
    const takeAway = await monitored.causes[name]();
    await waitUntil(
      async () => (await namesFiring()) === name,
      () => name,
    );
    const [alert] = await firing();
    for (const text of Object.values(alert?.annotations ?? {})) expect(text).not.toMatch(/[{}<]|no value/);
    await takeAway();
    await waitUntil(
      async () => (await namesFiring()) === '',
      () => `${name} stays`,
    );
  });

  it('fires KeygateDown alone when nginx is away', async () => {
    await monitored.stop();
    await waitUntil(
      async () => (await namesFiring()) === 'KeygateDown',
      () => 'KeygateDown',
    );
  });
});
