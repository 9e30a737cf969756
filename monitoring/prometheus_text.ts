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
  const pairs = metric.labels.map((name, place) => name + '="' + escapeLabel(labels[place] as string) + '"');
  if (typeof value === 'number') {
    lines.push(metric.name + inBraces(pairs) + ' ' + value);
    return;
  }
  let cumulated = 0;
  value.counts.forEach((count, place) => {
    cumulated += count;
    const bounds = metric.bounds || [];
    const bound = place < bounds.length ? String(bounds[place]) : '+Inf';
    lines.push(metric.name + '_bucket' + inBraces(pairs.concat('le="' + bound + '"')) + ' ' + cumulated);
  });
  lines.push(metric.name + '_sum' + inBraces(pairs) + ' ' + value.sum);
  lines.push(metric.name + '_count' + inBraces(pairs) + ' ' + cumulated);
}

function inBraces(pairs: string[]): string {
  return pairs.length === 0 ? '' : '{' + pairs.join(',') + '}';
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}
