// What /status.json says: facts, and whether something is wrong. STAND-IN: the branch of the status page has the file.

export type Condition = 'ok' | 'degraded' | 'failing';

/** The answer of /status.json; times are Unix seconds, ages seconds, rates requests a second. */
export interface Status {
  status: Condition;
  /** What is wrong now: one sentence each. */
  problems: string[];
  version: string;
  nginx: string;
  njs: string;
  engine: string;
  /** Since when the counters count. */
  started: number;
  now: number;
  components: { keys: Condition; jwks: Condition; verifier: Condition };
  /** A sample each 10 s, oldest first, at most 60. */
  rates: { time: number; requests: number; refused: number; failed: number }[];
  requests: { total: number; refused: number; failed: number };
  /** By count, descending. */
  refusals: { reason: string; count: number }[];
  keys: {
    count: number;
    unusable: number;
    ageSeconds: number;
    /** By last use, newest first, at most 50. */
    used: { key: string; requests: number; refusals: number; lastUsed: number | null }[];
  };
  jwks: { source: string; keys: number; ageSeconds: number; faulty: boolean }[];
  sidecar: { up: boolean; queue: number; minted: number };
  connections: { active: number; reading: number; writing: number; waiting: number } | null;
  certificateExpires: number | null;
  zones: { zone: string; bytes: number; used: number }[];
}

/** The facts that nginx collects. */
export type StatusFacts = Omit<Status, 'status' | 'problems'>;

/** Fills `status` and `problems` in. */
export function judgeStatus(facts: StatusFacts): Status {
  const { keys, jwks, verifier } = facts.components;
  const conditions = [keys, jwks, verifier];
  const status: Condition = conditions.every((one) => one === 'ok') ? 'ok' : 'degraded';
  return Object.assign({ status, problems: [] as string[] }, facts);
}
