// What a worker's memory does while a million different tokens go through it.

import type { Subject } from './comparison.js';
import { signTokens } from './credentials.js';
import { runWrk } from './load.js';
import { pause } from './processes.js';
import { aimList, say, startMs, type Stand } from './stand.js';

export interface MemorySample {
  /** How many different tokens were admitted so far. */
  tokens: number;
  /** Resident memory of the worker alone, in KB. */
  anonymousKb: number;
  /** Resident shared memory, in KB: the zones, as far as they were touched. */
  sharedKb: number;
}

const batch = 50000;
const batches = 20;

/**
 * Sends different tokens, each once, and reads the worker's memory in between.
 * @returns a sample after every second batch; the first one after the worker has warmed up
 * @throws Error when a token was refused
 */
export async function measureMemory(stand: Stand): Promise<MemorySample[]> {
  const subject = await stand.start('memory', stand.gate());
  await pause(startMs);
  const sample = (tokens: number): MemorySample => ({ tokens, ...subject.process.memory() });
  await sendBatch(stand, subject, 5000); // so that every JavaScript context exists
  const samples = [sample(0)];
  for (let i = 1; i <= batches; i++) {
    await sendBatch(stand, subject, batch);
    if (i % 2 === 0) samples.push(sample(i * batch));
  }
  return samples;
}

// ES256: a million RSA signatures take a quarter of an hour.
async function sendBatch(stand: Stand, { port }: Subject, count: number): Promise<void> {
  const aim = aimList(stand, 'token', await signTokens(stand.credentials.ec, count));
  const measured = await runWrk({ ...aim, port, isOnce: true, seconds: 600 });
  if (measured.refused > 0 || measured.requests < count) {
    throw new Error(`memory: ${measured.requests} of ${count} tokens were sent, ${measured.refused} refused`);
  }
}

/** Tells how memory grew. */
export function sayMemory(samples: MemorySample[]): void {
  for (const { tokens, anonymousKb, sharedKb } of samples) {
    say(`memory after ${tokens} tokens  ${anonymousKb} KB, and ${sharedKb} KB shared`);
  }
}
