// When faults of the sources of keys are logged: when a fault begins, once a minute while it lasts, sooner when its
// text changes, and when it ends. /health/ready reads the faults.

import { log } from '../platform.js';
import { ageMs, clearState, readState, writeState } from './shared_state.js';
import type { JwksSource } from './stored_jwks.js';

/** What may be at fault. */
export type Source = 'keys' | 'snapshot' | 'denied' | 'providers' | JwksSource;

const everyMs = 60000;
const anotherMs = 5000; // a fault with another text is logged sooner

/**
 * Notes a fault.
 * @param text fit for a log: no credential, no content of a file
 * @returns for how long it has lasted, in milliseconds
 */
export function reportFault(source: Source, text: string, nowMs: number): number {
  if (readState(`fault:${source}`) === undefined) writeState(`fault:${source}`, String(nowMs));
  const isSame = readState(`fault_text:${source}`) === text;
  if (ageMs(`reported:${source}`, nowMs) >= (isSame ? everyMs : anotherMs)) {
    writeState(`reported:${source}`, String(nowMs));
    writeState(`fault_text:${source}`, text);
    log(ngx.ERR, text);
  }
  return ageMs(`fault:${source}`, nowMs);
}

/** Notes that a source works again. */
export function recover(source: Source): void {
  if (readState(`fault:${source}`) === undefined) return;
  forgetFault(source);
  ngx.log(ngx.WARN, 'keygate: ' + source + ': recovered');
}

/** Forgets the fault of a source that is no longer the same. */
export function forgetFault(source: Source): void {
  clearState(`fault:${source}`);
  clearState(`reported:${source}`);
  clearState(`fault_text:${source}`);
}

/** Whether a source is at fault now. */
export function isFaulty(source: Source): boolean {
  return readState(`fault:${source}`) !== undefined;
}
