// What a node says of itself each second, sealed.

import { isJsonObject } from '../auth/json.js';

export interface Heartbeat {
  name: string;
  /** One for each start of a node. */
  bootId: string;
  /** Grows with each heartbeat: a heartbeat that was recorded and sent again does not count. */
  counter: number;
  /** The snapshot that the node acts on (stampOf); empty before it has joined. */
  stamp: string;
  unixMs: number;
  /** Boot ids that the node sees: who finds his own there knows that the heartbeat was made after his start. */
  echoes: string[];
}

/** @returns undefined for what is no heartbeat */
export function parseHeartbeat(text: string | undefined): Heartbeat | undefined {
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(value)) return undefined;
  const { name, bootId, counter, stamp, unixMs, echoes } = value;
  const isWhole = typeof name === 'string' && typeof bootId === 'string' && typeof stamp === 'string';
  if (!isWhole || !Number.isSafeInteger(counter) || !Number.isFinite(unixMs)) return undefined;
  if (!Array.isArray(echoes) || !echoes.every((one) => typeof one === 'string')) return undefined;
  return { name, bootId, counter: counter as number, stamp, unixMs: unixMs as number, echoes: echoes as string[] };
}
