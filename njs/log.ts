// Lines of the error log: one line each, printable ASCII.

/** @returns a text, or that of an exception, on one line; the old engine may throw undefined */
export function oneLine(e: unknown): string {
  const text = String((e && (e as Error).message) || e);
  return text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 500);
}

/** Logs outside of any request. */
export function log(level: number, text: string): void {
  ngx.log(level, 'keygate: ' + text.replace(/[^\x20-\x7e]/g, '?'));
}
