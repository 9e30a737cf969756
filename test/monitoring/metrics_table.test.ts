// An operator who reads docs/monitoring.md and writes a query: names, types, labels and words are those of the code.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { metricsTable } from '../../monitoring/metrics_table.js';

const docs = readFileSync(join(import.meta.dirname, '../../docs/monitoring.md'), 'utf8');

describe('the table of metrics', () => {
  it('stands in docs/monitoring.md as it is', () => {
    const rows = [...docs.matchAll(/^\| `(keygate_\w+)` +\| (\w+) +\| (.*?) *\| (.*?) *\|$/gm)];
    const found = rows.map(([, name, type, labels = '', help]) => ({
      name,
      type,
      labels: [...labels.matchAll(/`(\w+)`/g)].map((match) => match[1]),
      help,
    }));
    expect(found).toEqual(metricsTable.map(({ name, type, labels, help }) => ({ name, type, labels, help })));
  });

  it('names counters and units as Prometheus wants them', () => {
    for (const { name, type, bounds } of metricsTable) {
      expect(name).toMatch(/^keygate_[a-z_]+$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(bounds !== undefined, name).toBe(type === 'histogram');
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
      expect([...(bounds ?? [])].sort((a, b) => a - b)).toEqual([...(bounds ?? [])]);
    }
  });
});
