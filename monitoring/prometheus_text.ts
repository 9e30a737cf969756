// The text format of Prometheus, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).

import type { Metric } from './metrics_table.js';

export interface Histogram {
  /** How many observations each bucket has, +Inf last; not cumulated. */
  counts: number[];
  /** Of all observations. */
  sum: number;
}

/** One line of a metric, or the lines of one histogram. */
export interface Series {
  /** The values of the metric's labels, in the order of the table. */
  labels: string[];
  value: number | Histogram;
}

/** Series by the name of their metric. A metric without series is left out of the text. */
export type Measured = { [metric: string]: Series[] | undefined };

/** The Content-Type of the text. */
export const prometheusMediaType = 'text/plain; version=0.0.4; charset=utf-8';

/** Writes the metrics of a table. */
export function formatMetrics(table: readonly Metric[], measured: Measured): string {
  const lines: string[] = [];
  table.forEach((metric) => {
    const series = measured[metric.name] || [];
    if (series.length === 0) return;
    lines.push('# HELP ' + metric.name + ' ' + metric.help, '# TYPE ' + metric.name + ' ' + metric.type);
    series.forEach((one) => pushSeries(lines, metric, one));
  });
  return lines.join('\n') + '\n';
}

function pushSeries(lines: string[], metric: Metric, { labels, value }: Series): void {
  const pairs = joinLabels(metric.labels, labels);
  const own = pairs === '' ? '' : '{' + pairs + '}';
  if (typeof value === 'number') {
    lines.push(metric.name + own + ' ' + value);
    return;
  }
  let cumulated = 0;
  value.counts.forEach((count, place) => {
    cumulated += count;
    const bounds = metric.bounds || [];
    const bound = place < bounds.length ? String(bounds[place]) : '+Inf';
    lines.push(metric.name + '_bucket{' + (pairs === '' ? '' : pairs + ',') + 'le="' + bound + '"} ' + cumulated);
  });
  lines.push(metric.name + '_sum' + own + ' ' + value.sum);
  lines.push(metric.name + '_count' + own + ' ' + cumulated);
}

// A thousand keys have three lines each, so that this is written without arrays.
function joinLabels(names: readonly string[], values: string[]): string {
  let joined = '';
  for (let i = 0; i < names.length; i++) {
    joined += (i === 0 ? '' : ',') + (names[i] as string) + '="' + escapeLabel(values[i] as string) + '"';
  }
  return joined;
}

const unusual = /[\\"\n]/;

function escapeLabel(value: string): string {
  if (!unusual.test(value)) return value;
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
