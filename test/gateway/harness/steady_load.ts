// Clients that ask again and again, each on a kept connection of its own, until told to stop.

import { Agent, request } from 'node:https';

export interface Asking {
  method?: string;
  path?: string;
  headers?: { [name: string]: string };
  body?: string;
  /** The one right answer. */
  status: number;
}

export interface Outcome {
  answered: number;
  /** Answers and faults that should not be, each with how often. */
  failed: { [what: string]: number };
  /** Kept connections that were closed under a request before a byte of its answer; it was sent again. */
  dropped: number;
}

export interface SteadyLoad {
  outcome: Outcome;
  stop: () => Promise<Outcome>;
}

/** Starts a client for each of these. */
export function startSteadyLoad(url: string, askings: Asking[]): SteadyLoad {
  const outcome: Outcome = { answered: 0, failed: {}, dropped: 0 };
  let isOver = false;
  const clients = askings.map(async (asking) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false });
    while (!isOver) count(outcome, asking, await ask(url, asking, agent));
    agent.destroy();
  });
  return {
    outcome,
    stop: async () => {
      isOver = true;
      await Promise.all(clients);
      return outcome;
    },
  };
}

interface Answer {
  status: number;
  body: string;
}

function count(outcome: Outcome, { status }: Asking, answer: Answer | 'dropped' | Error): void {
  if (answer === 'dropped') return void outcome.dropped++;
  outcome.answered++;
  if ('status' in answer && answer.status === status) return;
  const what = answer instanceof Error ? answer.message : `${answer.status} in the place of ${status}: ${answer.body}`;
  outcome.failed[what] = (outcome.failed[what] ?? 0) + 1;
}

function ask(url: string, asking: Asking, agent: Agent): Promise<Answer | 'dropped' | Error> {
  const { method = 'GET', path = '/v1/models', headers = {}, body } = asking;
  return new Promise((resolve) => {
    const sent = request(url, { method, path, headers, agent, timeout: 10000 }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => (text += part.toString()));
      response.on('error', resolve);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    // RFC 9112 section 9.3.1: a client that keeps connections is prepared for their end, and asks again.
    sent.on('error', (error) => resolve(sent.reusedSocket ? 'dropped' : error));
    sent.on('timeout', () => sent.destroy(new Error('no answer in 10 s')));
    sent.end(body);
  });
}
