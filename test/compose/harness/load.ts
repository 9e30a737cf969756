// Requests without a pause, each on a connection of its own, until told to stop.

import { expect, vi } from 'vitest';
import { send, type Sending } from '../../gateway/harness/client.js';

export interface Answers {
  /** How many of each status; a failed connection counts under its error's code. */
  [outcome: string]: number;
}

export interface Load {
  /** Waits until each credential has got so many answers with status 200. */
  served: (count: number) => Promise<void>;
  /** Ends it. @returns the outcomes by the name of the credential */
  stop: () => Promise<{ [name: string]: Answers }>;
}

/** Starts a loop for each credential. */
export function startLoad(url: string, credentials: { [name: string]: string }): Load {
  let isOver = false;
  const outcomes: { [name: string]: Answers } = {};
  const loops = Object.entries(credentials).map(async ([name, credential]) => {
    const counts: Answers = (outcomes[name] = {});
    const sending: Sending = { headers: { authorization: `Bearer ${credential}` } };
    while (!isOver) {
      const outcome = await send(url, '/v1/models', sending).then(
        ({ status }) => String(status),
        (error: NodeJS.ErrnoException) => error.code ?? error.message,
      );
      counts[outcome] = (counts[outcome] ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  });
  const isServed = (count: number) => Object.values(outcomes).every((counts) => (counts['200'] ?? 0) >= count);
  return {
    served: (count) => vi.waitFor(() => expect(isServed(count)).toBe(true), { timeout: 60000, interval: 50 }),
    stop: async () => {
      isOver = true;
      await Promise.all(loops);
      return outcomes;
    },
  };
}
