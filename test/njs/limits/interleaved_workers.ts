// nginx's workers as threads that take turns: a thread stops at each access to shared memory, and a test chooses which
// thread goes on. Shared memory and its clocks are the test's.

import { buildSync } from 'esbuild';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { RateLimit } from '../../../auth/rate_limit.js';

/** What a thread asks for. */
type Access = [method: 'get' | 'add' | 'incr' | 'set' | 'delete', name: string, ...numbers: number[]];

/** A request that a thread has finished, in steady milliseconds. */
export interface Taken {
  isAdmitted: boolean;
  pendingMs: number;
  startMs: number;
  endMs: number;
}

/** What a zone of nginx holds; it forgets by the wall clock. */
class Zone {
  private readonly stored = new Map<string, { value: number; endMs: number }>();

  constructor(private readonly clock: Clock) {}

  access([method, name, ...numbers]: Access): number | boolean | undefined {
    const found = this.stored.get(name);
    if (found !== undefined && found.endMs <= this.clock.wallMs) this.stored.delete(name);
    const known = this.stored.get(name)?.value;
    const [value = 0, second = 0, third = 0] = numbers;
    const store = (stored: number, timeoutMs: number) =>
      this.stored.set(name, { value: stored, endMs: this.clock.wallMs + timeoutMs });
    if (method === 'get') return known;
    if (method === 'delete') return this.stored.delete(name);
    if (method === 'add' && known !== undefined) return false;
    if (method === 'incr') store((known ?? second) + value, third);
    else store(value, second);
    return method === 'incr' ? this.stored.get(name)?.value : true;
  }
}

/** The clocks of a simulated machine. */
export interface Clock {
  steadyMs: number;
  wallMs: number;
}

interface Thread {
  worker: Worker;
  control: Int32Array;
  bytes: Uint8Array;
  /** What it waits for; absent where it is idle. */
  access?: Access;
  startMs: number;
}

// Written by hand, since a thread has no bundler of its own.
const threadSource = (bucket: string) => `
const { parentPort, workerData } = require('node:worker_threads');
const control = new Int32Array(workerData, 0, 2), bytes = new Uint8Array(workerData, 8);
let now = { wallMs: 0, steady: '0 0' };
function ask(message) {
  control[1] = Buffer.from(bytes.buffer, 8).write(JSON.stringify(message));
  Atomics.store(control, 0, 1);
  Atomics.notify(control, 0);
  while (Atomics.load(control, 0) === 1) Atomics.wait(control, 0, 1);
  const reply = JSON.parse(Buffer.from(bytes.buffer, 8, control[1]).toString());
  now = reply.now;
  if (reply.dies) throw new Error('killed');
  return reply.value;
}
Date.now = () => now.wallMs;
globalThis.ngx = { shared: { keygate_state: { get: () => now.steady } } };
const zone = {};
for (const method of ['get', 'add', 'incr', 'set', 'delete'])
  zone[method] = (...values) => ask({ access: [method, ...values] });
${bucket}
parentPort.postMessage('ready');
let taken = null;
for (;;) {
  const limit = ask({ taken });
  try { taken = bucket.takeRequest(zone, 'alice', limit); } catch (error) { taken = { died: error.message }; }
}`;

/** Workers that share one bucket, and stand still until they are told to go on. */
export class InterleavedWorkers {
  readonly clock: Clock = { steadyMs: 0, wallMs: 0 };
  private zone = new Zone(this.clock);

  private constructor(private readonly threads: Thread[]) {}

  static async open(count: number): Promise<InterleavedWorkers> {
    const bundled = buildSync({
      entryPoints: [join(import.meta.dirname, '../../../njs/limits/bucket.ts')],
      bundle: true,
      write: false,
      format: 'iife',
      globalName: 'bucket',
      platform: 'node',
    });
    const source = threadSource(bundled.outputFiles[0]?.text ?? '');
    const threads = Array.from({ length: count }, async (): Promise<Thread> => {
      const memory = new SharedArrayBuffer(1032);
      const worker = new Worker(source, { eval: true, workerData: memory });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      const thread = { worker, control: new Int32Array(memory, 0, 2), bytes: new Uint8Array(memory, 8), startMs: 0 };
      hear(thread);
      return thread;
    });
    return new InterleavedWorkers(await Promise.all(threads));
  }

  async close(): Promise<void> {
    await Promise.all(this.threads.map(({ worker }) => worker.terminate()));
  }

  /** Empties shared memory. */
  empty(): void {
    this.zone = new Zone(this.clock);
  }

  /** Which workers wait for shared memory. */
  busy(): number[] {
    return this.threads.flatMap(({ access }, i) => (access === undefined ? [] : [i]));
  }

  /** Which workers have no request. */
  idle(): number[] {
    return this.threads.flatMap(({ access }, i) => (access === undefined ? [i] : []));
  }

  /** Gives an idle worker a request. */
  begin(number: number, limit: RateLimit): void {
    const thread = this.threads[number] as Thread;
    thread.startMs = this.clock.steadyMs;
    this.resume(thread, { value: limit });
  }

  /** What a busy worker would do next. */
  nextOf(number: number): Access | undefined {
    return this.threads[number]?.access;
  }

  /** Lets a busy worker do one access; @returns what it finished, if it did */
  step(number: number): Taken | undefined {
    const thread = this.threads[number] as Thread;
    const taken = this.resume(thread, { value: this.zone.access(thread.access as Access) });
    return taken && { ...taken, startMs: thread.startMs, endMs: this.clock.steadyMs };
  }

  /** Kills a busy worker before its next access; another takes its place. */
  kill(number: number): void {
    this.resume(this.threads[number] as Thread, { dies: true });
  }

  private resume(thread: Thread, reply: object): Taken | undefined {
    const { steadyMs, wallMs } = this.clock;
    const now = { wallMs, steady: `${steadyMs} ${wallMs}` };
    thread.control[1] = Buffer.from(thread.bytes.buffer, 8).write(JSON.stringify({ ...reply, now }));
    Atomics.store(thread.control, 0, 0);
    Atomics.notify(thread.control, 0);
    return hear(thread);
  }
}

// Waits until a thread asks for something; @returns what it finished.
function hear(thread: Thread): Taken | undefined {
  const { control, bytes } = thread;
  while (Atomics.load(control, 0) === 0) Atomics.wait(control, 0, 0);
  const text = Buffer.from(bytes.buffer, 8, control[1]).toString();
  const { access, taken } = JSON.parse(text) as { access?: Access; taken?: Taken | { died: string } | null };
  if (access === undefined) delete thread.access;
  else thread.access = access;
  if (!taken) return undefined;
  if (!('died' in taken)) return taken;
  if (taken.died !== 'killed') throw new Error(taken.died);
  return undefined;
}
