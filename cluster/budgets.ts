// The limits that all nodes keep together: buckets in the store. Questions of one moment about one budget become one
// call, and share what it grants.

import type { RateLimit } from '../auth/rate_limit.js';
import { budgetScript } from './budget_script.js';
import { within, type Connection } from './connection.js';
import { StoreRefused } from './store_fault.js';

/** What the store grants. Times are milliseconds from the moment of the answer. */
export interface Grant {
  granted: number;
  /** Until the store would grant one more request; 0 where it would now. */
  retryAfterMs: number;
  /** Until the bucket is full again. */
  pendingMs: number;
}

export interface Budgets {
  /** Asks for requests of a budget. */
  ask: (budget: string, limit: RateLimit, wanted: Wanted) => Promise<Granted>;
}

/**
 * `late`: the store has not answered in time, and may be there. Undefined: it is away, or refuses.
 */
export type Granted = Grant | 'late' | undefined;

export interface Wanted {
  /** How many requests to grant at most; 0 only looks. */
  want: number;
  /** How many passed without the store while it was away: they are charged first. */
  spent: number;
}

export interface BudgetsOptions {
  connection: Pick<Connection, 'runScript' | 'name' | 'state'>;
  /** An HMAC under a key of the cluster: whoever reads the store learns no subject and no address. */
  digest: (content: string) => string;
}

interface Question extends Wanted {
  answer: (granted: Granted) => void;
}

interface Call {
  limit: RateLimit;
  questions: Question[];
}

const patienceMs = 150; // nginx waits 200 ms

/** Opens the budgets of a store. */
export function openBudgets({ connection, digest }: BudgetsOptions): Budgets {
  let calls = new Map<string, Call>();

  const nameOf = (budget: string, { intervalMs, burst }: RateLimit): string =>
    connection.name(`budget:${digest(`budget ${intervalMs} ${burst} ${budget}`)}`);

  async function call(key: string, { limit, questions }: Call): Promise<void> {
    const want = questions.reduce((sum, question) => sum + question.want, 0);
    const spent = questions.reduce((sum, question) => sum + question.spent, 0);
    const values = [limit.intervalMs * 1000, limit.burst, want, spent].map(String);
    const answer = await within(connection.runScript(budgetScript, [key], values), patienceMs).catch(noAnswer);
    const grant = readGrant(answer, want);
    if (grant === undefined) {
      const isLate = answer === undefined && connection.state().store !== 'away';
      return questions.forEach((question) => question.answer(isLate ? 'late' : undefined));
    }
    const granted = shareOut(
      grant.granted,
      questions.map((question) => question.want),
    );
    questions.forEach((question, i) => question.answer({ ...grant, granted: granted[i] as number }));
  }

  function callAll(): void {
    const begun = calls;
    calls = new Map();
    for (const [key, one] of begun) void call(key, one); // commands of one moment go to the store together
  }

  return {
    ask: (budget, limit, wanted) =>
      new Promise((resolve) => {
        const key = nameOf(budget, limit);
        const joined = calls.get(key) ?? { limit, questions: [] };
        if (calls.size === 0) setImmediate(callAll);
        calls.set(key, joined);
        joined.questions.push({ ...wanted, answer: resolve });
      }),
  };
}

/** Shares out what is granted: one request to each who wants any, in the order of arrival, then the rest likewise. */
export function shareOut(granted: number, wanted: number[]): number[] {
  const given = wanted.map(() => 0);
  let rest = granted;
  for (const most of [1, Infinity])
    wanted.forEach((want, i) => {
      const more = Math.min(rest, Math.min(want, most) - (given[i] as number));
      given[i] = (given[i] as number) + more;
      rest -= more;
    });
  return given;
}

// Whoever may write to the store may loosen limits; but an answer that makes no sense counts as none.
function readGrant(answer: unknown, want: number): Grant | undefined {
  if (!Array.isArray(answer) || answer.length !== 3) return undefined;
  const [granted, retryAfter, pending] = answer as unknown[];
  if (!isCount(granted) || !isCount(retryAfter) || !isCount(pending) || granted > want) return undefined;
  return { granted, retryAfterMs: retryAfter / 1000, pendingMs: pending / 1000 };
}

// A store that refuses the script has answered.
function noAnswer(error: unknown): unknown {
  return error instanceof StoreRefused ? 'refused' : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
