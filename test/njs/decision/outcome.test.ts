// Clients whose requests wait for the store at the same moment: each goes on as itself, and is told of its own limit.

import { expect, it, vi } from 'vitest';
import type { Verdict } from '../../../auth/verdict.js';

type Outcome = Verdict & { limit: string };

// njs/ has a tsconfig of its own.
interface Loaded {
  askedSource: object;
  charge: (admitted: object, variables: object, source: object) => object;
  chargeLater: (r: object, pending: object, source: object) => Promise<Outcome>;
}

const load = (file: string) => import(/* @vite-ignore */ `../../../njs/decision/${file}`) as Promise<Partial<Loaded>>;

class Zone {
  private readonly stored = new Map<string, number>();
  get = (name: string) => this.stored.get(name);
  set = (name: string, value: number) => void this.stored.set(name, value);
  add = (name: string, value: number) => !this.stored.has(name) && Boolean(this.stored.set(name, value));
  delete = (name: string) => this.stored.delete(name);
  incr = (name: string, by: number, first = 0) => {
    this.set(name, (this.get(name) ?? first) + by);
    return this.get(name);
  };
}

it('keeps outcomes apart that are reached at the same moment', async () => {
  const shared = { keygate_state: new Zone(), keygate_limits: new Zone(), keygate_budgets: new Zone() };
  vi.stubGlobal('ngx', { shared, worker_id: 0, ERR: 4, log: (_: number, text: string) => expect.unreachable(text) });
  const loaded = Object.assign({}, await load('outcome.ts'), await load('question.ts')) as Loaded;
  const { charge, chargeLater, askedSource } = loaded;
  const variables = { keygate_cluster: 'on' };
  const answering: (() => void)[] = [];
  const r = {
    variables,
    subrequest: () =>
      new Promise((resolve) => {
        const headersOut = { 'Content-Type': 'application/vnd.keygate+json' };
        const responseText = JSON.stringify({ granted: 1, pendingMs: 0, nodes: 1 });
        answering.push(() => resolve({ status: 200, headersOut, responseText }));
      }),
  };
  const names = Array.from({ length: 20 }, (_, i) => `holder-${i}`);
  const waiting = names.map((name, i) => {
    const limit = { intervalMs: 3600000, burst: 100 + i }; // no leases: each request asks
    const principal = { subject: name, budget: `key ${name}`, limit };
    const charged = charge({ admitted: true, principal }, variables, askedSource);
    if (!('ask' in charged)) throw new Error('expected a question for the store');
    return chargeLater(r, charged, askedSource);
  });
  answering.forEach((answer) => answer());
  const outcomes = await Promise.all(waiting);
  outcomes.forEach((outcome, i) => {
    expect(outcome).toMatchObject({ admitted: true, principal: { subject: names[i] } });
    expect(outcome.limit).toMatch(new RegExp(`^openai ${101 + i} `));
  });
});
