// Prometheus, which drops a whole scrape for one line that is not as its format has it.

import { describe, expect, it } from 'vitest';
import { formatMetrics } from '../../monitoring/prometheus_text.js';
import type { Metric } from '../../monitoring/metrics_table.js';

const plain: Metric = { name: 'plain', type: 'gauge', help: 'One.', labels: [] };
const labelled: Metric = { name: 'labelled', type: 'counter', help: 'Two.', labels: ['a', 'b'] };
const timed: Metric = { name: 'timed', type: 'histogram', help: 'Three.', labels: ['a'], bounds: [0.1, 1] };

describe('the text', () => {
  it('has help, type and a line for each series, in the order of the table', () => {
    const measured = {
      labelled: [
        { labels: ['x', ''], value: 1.5 },
        { labels: ['y', 'z'], value: 0 },
      ],
      plain: [{ labels: [], value: 3 }],
    };
    expect(formatMetrics([plain, labelled], measured)).toBe(
      '# HELP plain One.\n# TYPE plain gauge\nplain 3\n' +
        '# HELP labelled Two.\n# TYPE labelled counter\nlabelled{a="x",b=""} 1.5\nlabelled{a="y",b="z"} 0\n',
    );
  });

  it('cumulates the buckets of a histogram', () => {
    const value = { counts: [2, 0, 1], sum: 9.25 };
    expect(formatMetrics([timed], { timed: [{ labels: ['x'], value }] })).toBe(
      '# HELP timed Three.\n# TYPE timed histogram\n' +
        'timed_bucket{a="x",le="0.1"} 2\ntimed_bucket{a="x",le="1"} 2\ntimed_bucket{a="x",le="+Inf"} 3\n' +
        'timed_sum{a="x"} 9.25\ntimed_count{a="x"} 3\n',
    );
  });

  it('escapes what would end a label', () => {
    expect(formatMetrics([labelled], { labelled: [{ labels: ['"\\\n', 'é'], value: 1 }] })).toContain(
      'labelled{a="\\"\\\\\\n",b="é"} 1\n',
    );
  });

  it('leaves a metric without series out', () => {
    expect(formatMetrics([plain, labelled], { plain: [] })).toBe('\n');
  });
});
