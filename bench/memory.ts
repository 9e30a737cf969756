// What a worker's memory does while a million different tokens go through it.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Subject } from './comparison.js';
import { signTokens, type Signer } from './credentials.js';
import { runWrk } from './load.js';

export interface MemorySample {
  /** How many different tokens were admitted so far. */
  tokens: number;
  /** Resident memory of the worker alone, in KB. */
  anonymousKb: number;
  /** Resident shared memory, in KB: the zones, as far as they were touched. */
  sharedKb: number;
}

export interface MemorySetting {
  subject: Subject;
  /** ES256: a million RSA signatures take a quarter of an hour. */
  signer: Signer;
  dir: string;
  connections: number;
}

const batch = 50000;
const batches = 20;

/**
 * Sends different tokens, each once, and looks at the worker's memory in between.
 * @returns a sample after every second batch; the first one after the worker has warmed up
 * @throws Error when a token was refused
 */
export async function measureMemory(setting: MemorySetting): Promise<MemorySample[]> {
  await sendBatch(setting, 5000); // so that every context is there
  const samples = [sample(setting.subject, 0)];
  for (let i = 1; i <= batches; i++) {
    await sendBatch(setting, batch);
    if (i % 2 === 0) samples.push(sample(setting.subject, i * batch));
  }
  return samples;
}

async function sendBatch({ subject, signer, dir, connections }: MemorySetting, count: number): Promise<void> {
  const listFile = join(dir, 'batch');
  const tokens = await signTokens(signer, count);
  writeFileSync(listFile, tokens.map((token) => `Bearer ${token}`).join('\n'));
  const load = { seconds: 600, connections, header: 'Authorization', listFile, isOnce: true };
  const measured = await runWrk({ ...load, port: subject.port, scriptFile: join(dir, 'wrk.lua') });
  if (measured.refused > 0 || measured.requests < count) {
    throw new Error(`memory: ${measured.requests} of ${count} tokens were sent, ${measured.refused} refused`);
  }
}

function sample(subject: Subject, tokens: number): MemorySample {
  return { tokens, ...subject.process.memory() };
}
