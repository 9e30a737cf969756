// A node of a cluster without its nginx: njs/limits/ as it is, over shared memory and a clock of the caller's.

import { join } from 'node:path';
import { build } from 'esbuild';
import type { RateLimit } from '../auth/rate_limit.js';

/** What a node asks the sidecar. */
export interface LeaseQuestion extends RateLimit {
  budget: string;
  want: number;
  spent: number;
}

export interface NodeOptions {
  /** The node's wall clock, in milliseconds. */
  now: () => number;
  /** Answers as the sidecar's route `lease` does; a number is a status of nginx for no answer. */
  ask: (question: LeaseQuestion) => Promise<object | number>;
}

export interface SimulatedNode {
  /** @returns whether a request passes; a promise where the node had to ask */
  charge: (budget: string, limit: RateLimit) => boolean | Promise<boolean>;
  /** What nginx does several times a second. */
  tick: () => void;
}

/** nginx's shared dictionary of numbers or texts. */
class Dictionary {
  private readonly stored = new Map<string, { value: unknown; endMs: number }>();

  constructor(private readonly now: () => number) {}

  get(name: string): unknown {
    const found = this.stored.get(name);
    if (found === undefined || found.endMs <= this.now()) return undefined;
    return found.value;
  }

  set(name: string, value: unknown, timeoutMs = 3600000): void {
    this.stored.set(name, { value, endMs: this.now() + timeoutMs });
  }

  add(name: string, value: unknown, timeoutMs?: number): boolean {
    if (this.get(name) !== undefined) return false;
    this.set(name, value, timeoutMs);
    return true;
  }

  incr(name: string, ...[by = 0, first = 0, timeoutMs]: (number | undefined)[]): number {
    const value = ((this.get(name) as number | undefined) ?? first) + by;
    this.set(name, value, timeoutMs);
    return value;
  }

  delete(name: string): boolean {
    const isThere = this.get(name) !== undefined;
    this.stored.delete(name);
    return isThere;
  }
}

const folder = join(import.meta.dirname, '..');
const media = 'application/vnd.keygate+json';

interface Loaded {
  chargeRequest: (budget: string, limit: RateLimit, variables: object) => object | undefined;
  chargeStore: (r: object, ask: object) => Promise<{ isAdmitted: boolean } | undefined>;
  tickSteadyClock: (wallMs: number) => void;
}

let program: Promise<string> | undefined;

function bundle(): Promise<string> {
  program ??= build({
    stdin: {
      contents: `export * from './njs/limits/principal_limit.js'; export * from './njs/keys/steady_clock.js';`,
      resolveDir: folder,
    },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'node',
    platform: 'node',
    external: ['crypto'],
  }).then((built) => built.outputFiles[0]?.text ?? '');
  return program;
}

/** Makes a node with empty shared memory. */
export async function makeNode({ now, ask }: NodeOptions): Promise<SimulatedNode> {
  const dictionary = () => new Dictionary(now);
  const shared = { keygate_state: dictionary(), keygate_limits: dictionary(), keygate_budgets: dictionary() };
  const ngx = { shared, worker_id: 0, ERR: 4, log: (_level: number, text: string) => console.error(text) };
  const load = new Function('ngx', 'Date', 'require', `${await bundle()}; return node;`);
  const { chargeRequest, chargeStore, tickSteadyClock } = load(ngx, { now }, () => ({})) as Loaded;
  const r = {
    error: () => undefined,
    subrequest: async (_path: string, { body }: { body: string }) => {
      const answer = await ask(JSON.parse(body) as LeaseQuestion);
      return typeof answer === 'number'
        ? { status: answer, headersOut: {} }
        : { status: 200, headersOut: { 'Content-Type': media }, responseText: JSON.stringify(answer) };
    },
  };
  const variables = { keygate_cluster: 'on', keygate_redis_down: 'share' };
  tickSteadyClock(now());
  return {
    charge: (budget, limit) => {
      const taken = chargeRequest(budget, limit, variables) as { isAdmitted: boolean } | { want: number } | undefined;
      if (taken === undefined) return false;
      return 'want' in taken ? chargeStore(r, taken).then((later) => later?.isAdmitted === true) : taken.isAdmitted;
    },
    tick: () => tickSteadyClock(now()),
  };
}
