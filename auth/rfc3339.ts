// Dates as a key file gives them: RFC 3339 section 5.6, or a date that means 00:00 UTC of that day.

const form = /^(\d{4})-(\d\d)-(\d\d)(?:[Tt](\d\d):(\d\d):(\d\d)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d))?$/;

/**
 * @param text such as `2027-01-31` or `2027-01-31T08:00:00+01:00`
 * @returns Unix seconds, or undefined when it is no such date
 */
export function parseRfc3339(text: string): number | undefined {
  const match = form.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part || 0)) as [
    number,
    number,
    number,
    number,
    number,
    number, // prettier-ignore
  ];
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const offsetSeconds = parseOffset(match[8] || 'Z');
  if (offsetSeconds === undefined) return undefined;
  const fraction = Number(match[7] || 0);
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000 + fraction - offsetSeconds;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].indexOf(month) >= 0 ? 30 : 31;
}

function parseOffset(text: string): number | undefined {
  if (text === 'Z' || text === 'z') return 0;
  const hours = Number(text.slice(1, 3));
  const minutes = Number(text.slice(4));
  if (hours > 23 || minutes > 59) return undefined;
  return (text.charAt(0) === '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
}
