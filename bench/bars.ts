// A bar chart as SVG that reads on light and dark pages.

export interface Bar {
  title: string;
  value: number;
  isOurs: boolean;
}

const rowHeight = 26;
const labelWidth = 300;
const barWidth = 380;

/** Draws bars from 0 to 1 with their values. */
export function drawBars(title: string, bars: Bar[]): string {
  const height = 40 + bars.length * rowHeight + 10;
  const rows = bars.map((bar, i) => {
    const y = 40 + i * rowHeight;
    const width = Math.max(1, Math.min(1, bar.value) * barWidth);
    const color = bar.isOurs ? '#0b7285' : '#868e96';
    return `  <text x="${labelWidth - 8}" y="${y + 14}" text-anchor="end">${escape(bar.title)}</text>
  <rect x="${labelWidth}" y="${y + 2}" width="${width.toFixed(1)}" height="${rowHeight - 9}" rx="2" fill="${color}"/>
  <text x="${(labelWidth + width + 6).toFixed(1)}" y="${y + 14}">${bar.value.toFixed(2)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${labelWidth + barWidth + 60} ${height}" role="img" aria-label="${escape(title)}">
  <style>text { font: 13px sans-serif; fill: #495057 } @media (prefers-color-scheme: dark) { text { fill: #ced4da } }</style>
  <text x="${labelWidth}" y="22" font-weight="bold">${escape(title)}</text>
${rows.join('\n')}
  <line x1="${labelWidth + barWidth}" y1="32" x2="${labelWidth + barWidth}" y2="${height - 8}" stroke="#adb5bd" stroke-dasharray="3 3"/>
</svg>
`;
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
}
