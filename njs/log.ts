// An exception put into a log line.

/** @returns its text on one line of printable ASCII; the old engine may throw undefined */
export function oneLine(e: unknown): string {
  const text = String((e && (e as Error).message) || e);
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 500);
}
