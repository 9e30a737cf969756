// Dates as a key file gives them: RFC 3339 section 5.6, or a date that means 00:00 UTC of that day.

const form = /^\d{4}-\d\d-\d\d(?:[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d))?$/;

/**
 * @param text such as `2027-01-31` or `2027-01-31T08:00:00+01:00`
 * @returns Unix seconds, or undefined when it is no such date
 */
export function parseRfc3339(text: string): number | undefined {
  if (!form.test(text)) return undefined;
  const year = Number(text.slice(0, 4));
  const month = Number(text.slice(5, 7));
  const day = Number(text.slice(8, 10));
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  const midnight = Date.UTC(year, month - 1, day) / 1000;
  if (text.length === 10) return midnight;
  const time = parseTime(text.slice(11));
  return time === undefined ? undefined : midnight + time;
}

// Turns `hh:mm:ss`, a fraction if any, and an offset into seconds since 00:00 UTC of the date.
function parseTime(text: string): number | undefined {
  const hour = Number(text.slice(0, 2));
  const minute = Number(text.slice(3, 5));
  const second = Number(text.slice(6, 8));
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const offset = text.slice(8).replace(/^\.\d+/, '');
  const offsetSeconds = parseOffset(offset);
  if (offsetSeconds === undefined) return undefined;
  const fraction = Number(text.slice(8, text.length - offset.length) || 0);
  return hour * 3600 + minute * 60 + second + fraction - offsetSeconds;
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
