// An admission as the verdict cache keeps it.

import type { Principal } from '../auth/verdict.js';

/** All in one object: nginx uses its contexts in turn, and what a hit comes upon is seldom in a CPU's cache. */
export interface Known {
  /** What it answers. */
  question: string;
  generation: string;
  /** Unix milliseconds; Infinity for a key without an end. */
  expiresMs: number;
  method: Principal['method'];
  subject: string;
  issuer: string;
}

/** Makes an admission fit to be kept. */
export function knownOf(question: string, principal: Principal, generation: string): Known {
  const { method, subject, issuer, expiresSeconds } = principal;
  const expiresMs = expiresSeconds === undefined ? Infinity : expiresSeconds * 1000;
  return { question, generation, expiresMs, method, subject, issuer };
}
