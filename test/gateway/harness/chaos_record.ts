// What clients of a cluster saw while it was in trouble, and the judgement: which answers the promises of
// docs/cluster.md don't allow.

/** A node by its number, or the store. */
export type Part = number | 'store';

/** A time in which a part was cut off, dead or emptied. Times are Unix milliseconds. */
export interface Outage {
  part: Part;
  fromMs: number;
  /** When the part was let go on; Infinity until then. */
  toMs: number;
}

/** A change by the admin command. */
export interface Change {
  node: number;
  /** The command began before it, and the change was made at it. */
  startedMs: number;
  atMs: number;
  isPublished: boolean;
}

export interface Credential {
  user: string;
  /** What a request sends. */
  headers: { [name: string]: string };
  /** Since when which nodes know it: its key, and for a token the key that signed it. */
  known: Change[];
  /** Its own, that of its key, that of the key that signed it. */
  revocations: Change[];
}

/** An answer; status 0 where none came. */
export interface Answer {
  node: number;
  /** Undefined for a key that nobody ever had. */
  credential: Credential | undefined;
  startMs: number;
  endMs: number;
  status: number;
  /** Who the upstream took the sender for. */
  user: string;
  body: string;
}

export interface Judged {
  violations: string[];
  /** For each revocation and node that reached the store: how long after it the last request was admitted, in ms. */
  lateMs: number[];
  /** Admissions later than promised, by less than the machine kept the node's processes waiting. */
  excused: string[];
  /** Answers other than 200 to credentials that were good, and not known by every node yet. */
  early: number;
  counts: { [what: string]: number };
}

/** How long the store's return takes a node (docs/cluster.md), and a change from one node to another. */
const returnMs = 2000;
const spreadMs = 1000;

export interface Judging {
  answers: Answer[];
  outages: Outage[];
  /** How long the machine kept the processes of a node, and the store, waiting in a span of time. */
  waitedMs: (node: number, fromMs: number, toMs: number) => number;
}

/** By when a node acts on a change: a second later, or a second after the nodes in question have returned. */
export function actsBy(change: Change, node: number, outages: Outage[]): number {
  let byMs = change.atMs + spreadMs;
  if (node === change.node) return byMs;
  const parts: Part[] = change.isPublished ? ['store', node] : ['store', node, change.node];
  const inWay = outages.filter(({ part }) => parts.includes(part)).sort((a, b) => a.fromMs - b.fromMs);
  for (const { fromMs, toMs } of inWay)
    if (fromMs <= byMs && toMs + returnMs > change.atMs) byMs = Math.max(byMs, toMs + returnMs + spreadMs);
  return byMs;
}

/** Whether a node reached the store, and had for as long as its return takes. */
export function isReaching({ node, startMs, endMs }: Answer, outages: Outage[]): boolean {
  return outages
    .filter(({ part }) => part === 'store' || part === node)
    .every(({ fromMs, toMs }) => fromMs > endMs || toMs + returnMs < startMs);
}

/** Judges all answers but those about limits. */
export function judge({ answers, outages, waitedMs }: Judging): Judged {
  const judged: Judged = { violations: [], lateMs: [], excused: [], early: 0, counts: {} };
  const last = new Map<Change, Map<number, number>>();
  const describe = (what: string, { node, startMs, body }: Answer) =>
    `${new Date(startMs).toISOString()} node ${node}: ${what} ${body.slice(0, 120)}`;
  const tell = (what: string, answer: Answer) => judged.violations.push(describe(what, answer));

  function judgeAdmitted(answer: Answer, credential: Credential): void {
    const { node, startMs, user } = answer;
    if (user !== credential.user) tell(`admitted ${credential.user} as ${user}`, answer);
    for (const revocation of credential.revocations) {
      if (startMs <= revocation.atMs) continue;
      const overMs = startMs - actsBy(revocation, node, outages);
      const ofNode = last.get(revocation) ?? new Map<number, number>();
      last.set(revocation, ofNode.set(node, Math.max(ofNode.get(node) ?? 0, startMs - revocation.atMs)));
      if (overMs <= 0) continue;
      const waited = waitedMs(node, revocation.atMs, startMs);
      const what = `${credential.user} admitted ${overMs} ms too late (waited ${Math.round(waited)} ms)`;
      if (overMs <= waited) judged.excused.push(describe(what, answer));
      else tell(what, answer);
    }
  }

  function judgeRefused(answer: Answer, { user, known, revocations }: Credential): void {
    const { node, startMs, endMs, status } = answer;
    if (revocations.some(({ startedMs }) => startedMs < endMs)) return;
    const knownBy = Math.max(...known.map((change) => actsBy(change, node, outages)));
    const oldest = Math.min(...known.map(({ atMs }) => atMs));
    if (startMs > knownBy + waitedMs(node, oldest, startMs)) tell(`${user}, who is good, got ${status}`, answer);
    else judged.early++;
  }

  for (const answer of answers) {
    const { credential, status } = answer;
    judged.counts[status] = (judged.counts[status] ?? 0) + 1;
    if (credential === undefined && status !== 401 && status !== 0) tell(`a wrong key got ${status}`, answer);
    if (credential === undefined || status === 0) continue;
    if (status === 200) judgeAdmitted(answer, credential);
    else judgeRefused(answer, credential);
  }
  for (const [change, ofNode] of last)
    for (const [node, ms] of ofNode)
      if (actsBy(change, node, outages) === change.atMs + spreadMs) judged.lateMs.push(ms);
  return judged;
}

/** The value that a part of all values does not exceed. */
export function quantile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}
