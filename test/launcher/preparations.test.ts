// Somebody on whose machine another program has the default port of the metrics.

import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { prepareMetrics } from '../../launcher/preparations.js';
import { readSettings, type Settings } from '../../settings/read.js';

const server = createServer();
afterEach(() => void server.close());

async function settingsWithTakenPort(isMetricsPortNamed: boolean): Promise<Settings> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return { ...readSettings({ METRICS_PORT: String(port) }), isMetricsPortNamed };
}

describe('the port of the metrics', () => {
  it('turns metrics off and says so, where the default is taken', async () => {
    const given = await settingsWithTakenPort(false);
    const { settings, warning } = await prepareMetrics(given, '127.0.0.1');
    expect(settings.metricsPort).toBe('off');
    expect(warning).toBe(`METRICS_PORT ${given.metricsPort} is taken: there are no metrics`);
  });

  it('stops the start, where it was set and is taken', async () => {
    const given = await settingsWithTakenPort(true);
    await expect(prepareMetrics(given, '127.0.0.1')).rejects.toThrow(/is taken: set METRICS_PORT to another port/);
  });

  it('is not looked at when metrics are off', async () => {
    const settings = readSettings({ METRICS_PORT: 'off' });
    expect(await prepareMetrics(settings, '127.0.0.1')).toEqual({ settings });
  });
});
