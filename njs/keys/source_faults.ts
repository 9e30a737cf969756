// Faults of the sources of keys: in the log when they begin, once a minute while they last, sooner when they become
// others, and when they end; /health/ready reads them.

import { clearState, readState, writeState } from './shared_state.js';

/** What may be at fault. */
export type Source = 'keys' | 'minting' | 'local' | 'remote' | 'denied';

const everyMs = 60000;
const anotherMs = 5000; // a fault of another kind is told sooner

/**
 * Notes a fault.
 * @param text fit for a log: no credential, no content of a file
 * @returns since when it lasts, in Unix milliseconds
 */
export function reportFault(source: Source, text: string, nowMs: number): number {
  const fault = readState(`fault:${source}`);
  const sinceMs = fault === undefined ? nowMs : Number(fault);
  if (fault === undefined) writeState(`fault:${source}`, String(nowMs));
  const last = readState(`reported:${source}`) || '0 ';
  const space = last.indexOf(' ');
  const isSame = last.slice(space + 1) === text;
  if (nowMs - Number(last.slice(0, space)) >= (isSame ? everyMs : anotherMs)) {
    writeState(`reported:${source}`, `${nowMs} ${text}`);
    ngx.log(ngx.ERR, 'keygate: ' + text.replace(/[^\x20-\x7e]/g, '?'));
  }
  return sinceMs;
}

/** Notes that a source is well again. */
export function recover(source: Source): void {
  if (readState(`fault:${source}`) === undefined) return;
  clearState(`fault:${source}`);
  clearState(`reported:${source}`);
  ngx.log(ngx.WARN, 'keygate: ' + source + ': recovered');
}

/** Whether a source is at fault now. */
export function isFaulty(source: Source): boolean {
  return readState(`fault:${source}`) !== undefined;
}
