// How many requests one principal may send: a leaky bucket as a meter (the generic cell rate algorithm of ITU-T I.371).
// A bucket holds `burst` requests beside the one that is due, and one more is due each interval.

import { isJsonObject } from './json.js';

export interface RateLimit {
  /** Milliseconds after which one more request is due. */
  intervalMs: number;
  /** How many requests may come at once beside the one that is due. */
  burst: number;
}

/** What a rate must be, for messages. */
export const rateForm = 'a rate such as 60/m, per s, m, h or d';

const rate = /^([1-9]\d{0,5})r?\/([smhd])$/;
const unitsMs: { [unit: string]: number } = { s: 1000, m: 60000, h: 3600000, d: 86400000 };

/** @returns the milliseconds between two requests of a rate such as `60/m` or `60r/m`, or undefined */
export function parseRate(text: string): number | undefined {
  const match = rate.exec(text);
  return match === null ? undefined : (unitsMs[match[2] as string] as number) / Number(match[1]);
}

/** @returns the rate of a limit, such as `60/m`, in the shortest unit that has a whole number of requests */
export function formatRate({ intervalMs }: RateLimit): string {
  const unit = Object.keys(unitsMs).find((name) => isWhole((unitsMs[name] as number) / intervalMs)) || 'd';
  return `${Math.round((unitsMs[unit] as number) / intervalMs)}/${unit}`;
}

function isWhole(number: number): boolean {
  return number >= 0.999 && Math.abs(number - Math.round(number)) < 1e-6;
}

/** The largest burst. */
export const maxBurst = 1000000;
/** A bucket is full again after a year at most: times stay exact in a double. */
const maxFillMs = 366 * 86400000;

/** @returns the burst, or undefined for a text that is no whole number from 0 to 1,000,000 */
export function parseBurst(text: string): number | undefined {
  return /^\d{1,7}$/.test(text) && Number(text) <= maxBurst ? Number(text) : undefined;
}

/** Whether a value from elsewhere (the sidecar) is a limit. */
export function isRateLimit(value: unknown): value is RateLimit {
  if (!isJsonObject(value)) return false;
  const { intervalMs, burst } = value;
  return typeof intervalMs === 'number' && intervalMs > 0 && typeof burst === 'number' && burst >= 0;
}

/** @returns the name of somebody's budget under a limit; of no budget yet where there is no limit */
export function nameBudget(whose: string, limit: RateLimit | null): string {
  return limit === null ? whose : `${whose} ${limit.intervalMs} ${limit.burst}`;
}

/** How long an empty bucket takes to become full. */
export function fillMs({ intervalMs, burst }: RateLimit): number {
  return intervalMs * (burst + 1);
}

/**
 * Makes a limit of its parts (parseRate, parseBurst).
 * @returns undefined where an empty bucket would take more than a year to become full
 */
export function makeLimit(intervalMs: number, burst: number): RateLimit | undefined {
  const limit = { intervalMs, burst };
  return fillMs(limit) <= maxFillMs ? limit : undefined;
}

/**
 * How many requests a bucket would admit at once.
 * @param pendingMs until the bucket is full again
 */
export function remainingRequests(limit: RateLimit, pendingMs: number): number {
  const requests = (fillMs(limit) - pendingMs) / limit.intervalMs;
  return Math.max(0, Math.floor(requests + 1e-6)); // a full bucket may miss a rounding error
}

/** How long until the bucket admits a request; 0 where it would now. */
export function retryAfterMs(limit: RateLimit, pendingMs: number): number {
  return Math.max(0, pendingMs + limit.intervalMs - fillMs(limit));
}
