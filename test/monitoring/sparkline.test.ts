// An operator who looks at the shape of the last ten minutes, or hears it from a screen reader.

import { describe, expect, it } from 'vitest';
import { renderSparkline } from '../../monitoring/sparkline.js';

const at = 1795836600;
const line = (svg: string) => /class="line" d="M([^"]*)"/.exec(svg)?.[1]?.split('L');

describe('a chart', () => {
  it('spans ten minutes and scales to its peak', () => {
    const points = Array.from({ length: 60 }, (_, i) => ({ time: at - (59 - i) * 10, value: i === 30 ? 8 : 4 }));
    const corners = line(renderSparkline('Requests', points)) ?? [];
    expect(corners).toHaveLength(61);
    expect([corners[0], corners[31], corners[60]]).toEqual(['0 28', '155 2', '300 28']);
  });

  it('leaves the time before the start empty', () => {
    const svg = renderSparkline('Requests', [{ time: at, value: 1 }]);
    expect(line(svg)).toEqual(['295 2', '300 2']);
  });

  it('draws no line where there was nothing', () => {
    expect(line(renderSparkline('Failed', [{ time: at, value: 0 }]))).toBeUndefined();
  });

  it('says in words what it draws', () => {
    const points = [1.5, 3, 0.5].map((value, i) => ({ time: at + i * 10, value }));
    expect(renderSparkline('Requests', points)).toContain(
      'role="img" aria-label="Requests a second from 03:30:00 to 03:30:20 UTC: 0.5 at the end, at most 3 at 03:30:10"',
    );
  });

  it('draws nothing without points', () => {
    expect(renderSparkline('Requests', [])).toBe('');
  });
});
