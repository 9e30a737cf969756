// Clients of all nodes, with credentials that come and go: good ones, revoked ones, wrong ones, and tokens that they
// mint.

import { Agent, request } from 'node:https';
import type { Choices } from '../../properties/token_generator.js';
import type { Answer, Change, Credential } from './chaos_record.js';
import type { Gateway } from './gateway.js';

/** A token that a client has minted. */
export interface Minted extends Credential {
  jti: string;
  kid: string;
  key: Credential;
  /** Revocations of this token alone. */
  own: Change[];
}

export interface ChaosClients {
  answers: Answer[];
  /** Keys that are good, and tokens of theirs. */
  good: Set<Credential>;
  tokens: Set<Minted>;
  /** Credentials that are asked for more often than others: they are being revoked. */
  hot: Set<Credential>;
  /** Revocations of keys that sign, by kid. */
  signers: Map<string, { known: Change; revocations: Change[] }>;
  addKey: (key: string, user: string, known: Change) => Credential;
  stop: () => Promise<void>;
}

const clientsOfNode = 3;
const maxTokens = 200;

/** Starts the clients. */
export function startChaosClients(nodes: Gateway[], choose: Choices): ChaosClients {
  const answers: Answer[] = [];
  const good = new Set<Credential>();
  const tokens = new Set<Minted>();
  const hot = new Set<Credential>();
  const signers: ChaosClients['signers'] = new Map();
  let isOver = false;

  async function mint(node: number, key: Credential, agent: Agent): Promise<void> {
    const atMs = Date.now();
    const answer = await ask(nodes[node] as Gateway, { node, credential: key, agent, method: 'POST', path: '/token' });
    if (answer.status !== 200) return;
    const text = (JSON.parse(answer.body) as { token: string }).token;
    const [{ kid }, { jti }] = text.split('.').slice(0, 2).map(decode) as [{ kid: string }, { jti: string }];
    if (!signers.has(kid))
      signers.set(kid, { known: { node, startedMs: atMs, atMs, isPublished: false }, revocations: [] });
    const signer = signers.get(kid) as { known: Change; revocations: Change[] };
    const own: Change[] = [];
    const token: Minted = {
      ...{ jti, kid, key, own, user: key.user, headers: { authorization: `Bearer ${text}` } },
      known: [...key.known, signer.known],
      get revocations() {
        return [...own, ...key.revocations, ...signer.revocations];
      },
    };
    if (tokens.size > maxTokens) tokens.delete([...tokens][0] as Minted);
    tokens.add(token);
  }

  function pick(): Credential | undefined {
    const kind = choose.below(10);
    if (kind === 0) return undefined;
    if (kind < 4 && hot.size > 0) return choose.of([...hot]);
    const pool = kind < 7 && tokens.size > 0 ? [...tokens] : [...good];
    return pool.length === 0 ? undefined : choose.of(pool);
  }

  async function client(node: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
    while (!isOver) {
      const keys = [...good];
      if (keys.length > 0 && choose.below(20) === 0) await mint(node, choose.of(keys), agent);
      answers.push(await ask(nodes[node] as Gateway, { node, credential: pick(), agent }));
      await new Promise((resolve) => setTimeout(resolve, 30 + choose.below(60)));
    }
    agent.destroy();
  }

  const clients = nodes.flatMap((_, node) => Array.from({ length: clientsOfNode }, () => client(node)));
  return {
    answers,
    good,
    tokens,
    hot,
    signers,
    addKey: (key, user, known) => {
      const credential = { user, headers: { 'x-api-key': key }, known: [known], revocations: [] };
      good.add(credential);
      return credential;
    },
    stop: async () => {
      isOver = true;
      await Promise.all(clients);
    },
  };
}

/** Starts clients of one key with a limit, who send a request after each such pause. */
export function startLimitedClients(nodes: Gateway[], credential: Credential, pauseMs: number) {
  const answers: Answer[] = [];
  let isOver = false;
  const clients = nodes.map(async (gateway, node) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 4, rejectUnauthorized: false });
    const waiting = new Set<Promise<unknown>>();
    while (!isOver) {
      const asking = ask(gateway, { node, credential, agent }).then((answer) => answers.push(answer));
      waiting.add(asking);
      void asking.finally(() => waiting.delete(asking));
      await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.5 + Math.random())));
    }
    await Promise.all(waiting);
    agent.destroy();
  });
  return {
    answers,
    stop: async () => {
      isOver = true;
      await Promise.all(clients);
    },
  };
}

interface Asking {
  node: number;
  credential: Credential | undefined;
  agent: Agent;
  method?: string;
  path?: string;
}

/** Sends one request. */
export function ask({ url }: Gateway, asking: Asking): Promise<Answer> {
  const { node, credential, agent, method = 'GET', path = '/v1/models' } = asking;
  const headers = credential?.headers ?? { 'x-api-key': 'a-key-that-nobody-ever-had' };
  const startMs = Date.now();
  return new Promise((resolve) => {
    const end = (status: number, user: string, body: string) =>
      resolve({ node, credential, startMs, endMs: Date.now(), status, user, body });
    const sent = request(url, { method, path, headers, agent, timeout: 10000 }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => (text += part.toString()));
      response.on('error', (error) => end(0, '', error.message));
      response.on('end', () => end(response.statusCode ?? 0, String(response.headers['x-seen-user'] ?? ''), text));
    });
    sent.on('timeout', () => sent.destroy(new Error('no answer in 10 s')));
    sent.on('error', (error) => end(0, '', error.message));
    sent.end();
  });
}

function decode(part: string): unknown {
  return JSON.parse(Buffer.from(part, 'base64url').toString());
}
