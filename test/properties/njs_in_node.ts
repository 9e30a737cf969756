// The decision of njs/ run by Node.js: its modules as they are, over stand-ins for nginx's shared memory, for a
// request's variables and for the sidecar.

import { expect, vi } from 'vitest';
import type { KeyEntry, KeyRecord, KeyTerms } from '../../auth/key_record.js';
import type { Verdict } from '../../auth/verdict.js';

/** nginx's shared dictionary: entries end, and may be driven out by others at any time. */
class Dictionary {
  hits = 0;
  private readonly stored = new Map<string, { value: unknown; endMs: number }>();

  constructor(private readonly timeoutMs = Infinity) {}

  get(name: string): unknown {
    const found = this.stored.get(name);
    if (found === undefined || found.endMs <= Date.now()) return undefined;
    this.hits++;
    return found.value;
  }

  set(name: string, value: unknown, timeoutMs = this.timeoutMs): void {
    this.stored.set(name, { value, endMs: Date.now() + timeoutMs });
  }

  add(name: string, value: unknown): boolean {
    if (this.get(name) !== undefined) return false;
    this.set(name, value);
    return true;
  }

  delete(name: string): void {
    this.stored.delete(name);
  }

  clear(): void {
    this.stored.clear();
  }
}

/** nginx's zones, with the timeouts of decision_server.conf. */
export const shared = {
  keygate_state: new Dictionary(),
  keygate_keys_a: new Dictionary(),
  keygate_keys_b: new Dictionary(),
  keygate_verdicts: new Dictionary(3600000),
  keygate_refused: new Dictionary(10000),
  keygate_budgets: new Dictionary(3600000),
};

/** What one context of nginx's JavaScript exports to a test. */
export interface Context {
  isQuickJs: boolean;
  ownSource: object;
  decideAndAnswer: (r: object, source: object, answer: (r: object, outcome: Verdict) => void) => unknown;
  storeKeySet: (entries: KeyEntry[], storing: object) => string;
  currentKeySet: () => object;
  findRecord: (keySet: object, digest: string) => KeyRecord | undefined;
  findByFingerprint: (keySet: object, fingerprint: string) => KeyTerms | undefined;
  readIfChanged: (looking: object, nowMs: number) => { text: string; digest: string };
  isLatestRead: (name: string, digest: string) => boolean;
  retireKeySet: () => void;
  writeState: (name: string, text: string) => void;
  switchGeneration: () => void;
}

/** Loads the modules of njs/ anew: what one context remembers another does not know. */
export async function openContext(isQuickJs: boolean): Promise<Context> {
  vi.stubGlobal('ngx', { shared, ERR: 4, log: (_level: number, text: string) => expect.unreachable(text) });
  vi.resetModules();
  vi.stubGlobal('KEYGATE_QUICKJS', isQuickJs);
  const load = (file: string) => import(/* @vite-ignore */ `../../njs/${file}`) as Promise<Partial<Context>>;
  const files = [
    'decision/ask.ts',
    'decision/question.ts',
    'keys/generation.ts',
    'keys/key_set.ts',
    'keys/shared_state.ts',
    'keys/watched_file.ts',
  ];
  return Object.assign({ isQuickJs }, ...(await Promise.all(files.map(load)))) as Context;
}

/** Who the sidecar says that a credential is. */
export type FindHashed = (credential: string) => KeyRecord | undefined;

/** What nginx has of a guarded request, by the names of its variables. */
export interface Variables {
  keygate_settings: string;
  keygate_target: string;
  keygate_certificate: string;
  http_authorization: string;
  http_x_api_key: string;
  http_api_key: string;
}

/** Has a context decide about a request, with the sidecar behind it. */
export async function askNginx(
  { decideAndAnswer, ownSource, isQuickJs }: Context,
  variables: Variables,
  findHashed: FindHashed,
): Promise<Verdict> {
  const request = {
    variables: { keygate_rate_limit_auth: 'off', ...variables },
    error: (text: string) => expect.unreachable(text),
    subrequest: async (_path: string, { body }: { body: string }) => {
      const { credential, generation } = JSON.parse(body) as { credential: string; generation: string };
      const entry = findHashed(credential);
      const verdict = entry === undefined ? { admitted: false, reason: 'unknown_key' } : { admitted: true, entry };
      return {
        status: 200,
        headersOut: { 'Content-Type': 'application/vnd.keygate+json' },
        responseText: JSON.stringify({ ...verdict, generation }),
      };
    },
  };
  vi.stubGlobal('KEYGATE_QUICKJS', isQuickJs); // in a bundle it is a constant
  const outcomes: Verdict[] = [];
  await decideAndAnswer(request, ownSource, (_, outcome) => outcomes.push(outcome));
  expect(outcomes).toHaveLength(1);
  return outcomes[0] as Verdict;
}
