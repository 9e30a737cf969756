// A small chart of rates as inline SVG: an area over the last ten minutes, and its text alternative.

import { formatRate, formatTime } from './status_words.js';
import { sampleSeconds } from './status.js';

/** A measured rate; `time` in Unix seconds. */
export interface Point {
  time: number;
  value: number;
}

/** What a chart shows, for its labels. */
export interface Extent {
  first: Point;
  last: Point;
  peak: Point;
}

const width = 300;
const height = 56;
const spanSeconds = 60 * sampleSeconds;
const leastPeak = 1 / sampleSeconds; // one request in one sample fills the chart

/** @returns the first, last and highest point; undefined without points */
export function findExtent(points: Point[]): Extent | undefined {
  const first = points[0];
  const last = points[points.length - 1];
  if (first === undefined || last === undefined) return undefined;
  return { first, last, peak: points.reduce((peak, point) => (point.value > peak.value ? point : peak), first) };
}

/**
 * Draws an area over the ten minutes before the last point; the time before the first point stays empty.
 * @param name what is counted, such as `Requests`; plain text of ours
 */
export function renderSparkline(name: string, points: Point[]): string {
  const extent = findExtent(points);
  if (extent === undefined) return '';
  const { first, last, peak } = extent;
  const from = last.time - spanSeconds;
  const top = Math.max(peak.value, leastPeak);
  const x = (time: number) => round(Math.max(0, ((time - from) / spanSeconds) * width));
  const y = (value: number) => round(height - 2 - (value / top) * (height - 4));
  // A sample stands for the seconds before its time.
  const corners = [`${x(first.time - sampleSeconds)} ${y(first.value)}`];
  points.forEach(({ time, value }) => corners.push(`${x(time)} ${y(value)}`));
  const line = corners.join('L');
  const said =
    `${name} a second from ${formatTime(first.time)} to ${formatTime(last.time)} UTC: ` +
    `${formatRate(last.value)} at the end, at most ${formatRate(peak.value)} at ${formatTime(peak.time)}`;
  const base = height - 1;
  const area = `M${x(first.time - sampleSeconds)} ${base}L${line}L${x(last.time)} ${base}Z`;
  // Without anything to count, the base line alone: a coloured line would look like a finding.
  const drawn = peak.value === 0 ? '' : `<path class="area" d="${area}"/><path class="line" d="M${line}"/>`;
  return [
    `<svg role="img" aria-label="${said}" viewBox="0 0 ${width} ${height}" preserveAspectRatio="none">`,
    `<path class="base" d="M0 ${base}H${width}"/>${drawn}</svg>`,
  ].join('');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
