// A clock for limits that nobody can set: it goes on by the steps of the wall clock, but never back, and never by more
// than a second at once. Engines have no monotonic clock.

import { readState, writeState } from './shared_state.js';

const longestStepMs = 1000;

interface Reading {
  /** What shared memory holds: the steady time and the wall clock's time of the same moment. */
  text: string;
  steadyMs: number;
  wallMs: number;
}

// The reading of this context, parsed once for each tick.
const latest: Reading = { text: '', steadyMs: 0, wallMs: 0 };

/** @returns milliseconds since shared memory was made */
export function steadyMs(): number {
  const text = readState('steady');
  if (text === undefined) return 0;
  if (text !== latest.text) parse(text);
  const stepMs = Date.now() - latest.wallMs;
  return latest.steadyMs + (stepMs > longestStepMs ? longestStepMs : stepMs > 0 ? stepMs : 0);
}

function parse(text: string): void {
  const space = text.indexOf(' ');
  latest.text = text;
  latest.steadyMs = Number(text.slice(0, space));
  latest.wallMs = Number(text.slice(space + 1));
}

/** Moves the clock on; called by the one worker that looks at files, several times a second. */
export function tickSteadyClock(wallMs: number): void {
  writeState('steady', `${steadyMs()} ${wallMs}`);
}
