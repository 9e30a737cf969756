// What /status.json says: the facts that the page /status and `keygate status` show too, and the check of its shape.

import { ownMember, isJsonObject, parseJsonObject } from '../auth/json.js';

export type Condition = 'ok' | 'degraded' | 'failing';

/** Rates over the seconds before `time`, in requests a second; `failed` are 5xx answers. */
export interface RateSample {
  time: number;
  requests: number;
  refused: number;
  failed: number;
}

/** How a key was used since the counters began to count. */
export interface KeyUse {
  key: string;
  requests: number;
  refusals: number;
  lastUsed: number | null;
}

export interface JwksStatus {
  source: string;
  keys: number;
  /** Null where no set was ever read. */
  ageSeconds: number | null;
  faulty: boolean;
}

/** How this node of a cluster is, as the sidecar tells. */
export interface ClusterStatus {
  /** Whether the store answers. */
  storeUp: boolean;
  /** Since the node last knew for sure that it has the newest keys and revocations. */
  stalenessSeconds: number;
  /** Nodes that live, this one included. */
  nodes: number;
  /** A node that has not joined yet has no keys. */
  joined: boolean;
}

export interface ZoneStatus {
  zone: string;
  bytes: number;
  used: number;
}

/** Times are Unix seconds. */
export interface Status {
  status: Condition;
  /** A sentence each: what is wrong now. Empty where the status is `ok`. */
  problems: string[];
  version: string;
  nginx: string;
  njs: string;
  engine: string;
  /** Since when the counters count. */
  started: number;
  now: number;
  /** As GET /health/ready has them. */
  components: { keys: Condition; jwks: Condition; verifier: Condition };
  /** A sample each 10 s, the oldest first. */
  rates: RateSample[];
  requests: { total: number; refused: number; failed: number };
  /** The most frequent first. */
  refusals: { reason: string; count: number }[];
  /** `ageSeconds`: since the set was taken up; null where none was. `used`: the last used first. */
  keys: { count: number; unusable: number; ageSeconds: number | null; used: KeyUse[] };
  /** Configured sources only. */
  jwks: JwksStatus[];
  /** `needed`: there are bcrypt keys, or tokens are minted; without these the sidecar is optional. */
  sidecar: { up: boolean; needed: boolean; queue: number; minted: number };
  /** Null without REDIS_URL, and while the sidecar has not answered yet. */
  cluster: ClusterStatus | null;
  connections: { active: number; reading: number; writing: number; waiting: number } | null;
  certificateExpires: number | null;
  zones: ZoneStatus[];
}

/** The seconds that a sample of `rates` stands for. */
export const sampleSeconds = 10;

type Shape = 'text' | 'number' | 'boolean' | 'condition' | { list: Shape } | { orNull: Shape } | { members: Members };
interface Members {
  [name: string]: Shape;
}

const numbers = (names: string[]): Shape => {
  const members: Members = {};
  names.forEach((name) => (members[name] = 'number'));
  return { members };
};

const age = (): Shape => ({ orNull: 'number' });

const makeShape = (): Shape => ({
  members: {
    status: 'condition',
    problems: { list: 'text' },
    version: 'text',
    nginx: 'text',
    njs: 'text',
    engine: 'text',
    started: 'number',
    now: 'number',
    components: { members: { keys: 'condition', jwks: 'condition', verifier: 'condition' } },
    rates: { list: numbers(['time', 'requests', 'refused', 'failed']) },
    requests: numbers(['total', 'refused', 'failed']),
    refusals: { list: { members: { reason: 'text', count: 'number' } } },
    keys: {
      members: {
        count: 'number',
        unusable: 'number',
        ageSeconds: age(),
        used: { list: { members: { key: 'text', requests: 'number', refusals: 'number', lastUsed: age() } } },
      },
    },
    jwks: { list: { members: { source: 'text', keys: 'number', ageSeconds: age(), faulty: 'boolean' } } },
    sidecar: { members: { up: 'boolean', needed: 'boolean', queue: 'number', minted: 'number' } },
    cluster: {
      orNull: { members: { storeUp: 'boolean', stalenessSeconds: 'number', nodes: 'number', joined: 'boolean' } },
    },
    connections: { orNull: numbers(['active', 'reading', 'writing', 'waiting']) },
    certificateExpires: age(),
    zones: { list: { members: { zone: 'text', bytes: 'number', used: 'number' } } },
  },
});

/**
 * Parses the text of /status.json; members that are not known are left alone.
 * @returns the status, or what is wrong with the text, such as `rates[0].time: expected a number`
 */
export function parseStatus(text: string): { status: Status } | { fault: string } {
  const parsed = parseJsonObject(text);
  if ('fault' in parsed) return { fault: `expected a JSON object, but it is ${parsed.fault}` };
  const fault = checkShape(parsed.object, makeShape(), '');
  return fault === undefined ? { status: parsed.object as unknown as Status } : { fault };
}

// Returns the first fault.
function checkShape(value: unknown, shape: Shape, place: string): string | undefined {
  if (typeof shape === 'string') return checkScalar(value, shape, place);
  if ('orNull' in shape) return value === null ? undefined : checkShape(value, shape.orNull, place);
  if ('list' in shape) {
    if (!Array.isArray(value)) return `${place}: expected a list`;
    for (let i = 0; i < value.length; i++) {
      const fault = checkShape(value[i], shape.list, `${place}[${i}]`);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
  if (!isJsonObject(value)) return `${place}: expected an object`;
  const names = Object.keys(shape.members);
  for (let i = 0; i < names.length; i++) {
    const name = names[i] as string;
    const inner = place === '' ? name : `${place}.${name}`;
    const fault = checkShape(ownMember(value, name), shape.members[name] as Shape, inner);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function checkScalar(value: unknown, shape: string, place: string): string | undefined {
  if (shape === 'text') return typeof value === 'string' ? undefined : `${place}: expected a text`;
  if (shape === 'boolean') return typeof value === 'boolean' ? undefined : `${place}: expected true or false`;
  if (shape === 'number') {
    // Beyond these a number is neither a count nor a time that a Date can hold.
    const isUsable = typeof value === 'number' && value >= 0 && value <= 1e15;
    return isUsable ? undefined : `${place}: expected a number`;
  }
  const isCondition = value === 'ok' || value === 'degraded' || value === 'failing';
  return isCondition ? undefined : `${place}: expected ok, degraded or failing`;
}
