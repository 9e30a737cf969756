// How the page and the command write times, ages, counts and sizes.

const isoOf = (seconds: number) => new Date(Math.floor(seconds) * 1000).toISOString();

/** @returns such as `2026-11-28T03:30:12Z` */
export function formatIso(seconds: number): string {
  return isoOf(seconds).replace('.000Z', 'Z');
}

/** @returns such as `2026-11-28 03:30:12 UTC` */
export function formatUtc(seconds: number): string {
  return `${formatDay(seconds)} ${formatTime(seconds)} UTC`;
}

/** @returns such as `2026-11-28` */
export function formatDay(seconds: number): string {
  return isoOf(seconds).slice(0, 10);
}

/** @returns such as `03:30:12` */
export function formatTime(seconds: number): string {
  return isoOf(seconds).slice(11, 19);
}

/** @returns such as `03:30` */
export function formatMinute(seconds: number): string {
  return isoOf(seconds).slice(11, 16);
}

/** @returns the two largest units of a span, such as `3 d 4 h` or `12 s` */
export function formatAge(seconds: number): string {
  return splitAge(seconds).join(' ');
}

/** @returns the largest unit alone, such as `3 d ago`, or `never` */
export function formatAgo(seconds: number | null): string {
  return seconds === null ? 'never' : `${splitAge(seconds)[0] as string} ago`;
}

// The largest unit that is not zero, and the one after it if that is not.
function splitAge(seconds: number): string[] {
  const whole = Math.max(0, Math.floor(seconds));
  const amounts: [number, string][] = [
    [Math.floor(whole / 86400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = amounts.findIndex(([amount]) => amount !== 0);
  if (first < 0) return ['0 s'];
  const shown = amounts.slice(first, first + 2).filter(([amount]) => amount !== 0);
  return shown.map(([amount, unit]) => `${amount} ${unit}`);
}

/** @returns a count with commas, such as `1,234,567` */
export function formatCount(count: number): string {
  return String(Math.floor(count)).replace(/\B(?=(?:\d{3})+$)/g, ',');
}

/** @returns a rate in requests a second, with three figures */
export function formatRate(rate: number): string {
  if (rate >= 100) return formatCount(Math.round(rate));
  return String(rate >= 10 ? Math.round(rate * 10) / 10 : Math.round(rate * 100) / 100);
}

/** @returns a size such as `8.0 MB` */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.floor(bytes)} B`;
  if (bytes < 1048576) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 1048576).toFixed(1)} MB`;
}

/** @returns such as `87 %` or `0.4 %`; rounded down, so that 100 % is full */
export function formatPercent(part: number, whole: number): string {
  const percent = whole <= 0 ? 0 : (part / whole) * 100;
  return `${percent > 0 && percent < 10 ? (Math.floor(percent * 10) / 10).toFixed(1) : Math.floor(percent)} %`;
}

/** @returns a count with its noun, such as `1 key` or `3 keys` */
export function formatNoun(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}
