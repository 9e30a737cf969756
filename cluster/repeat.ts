// What a node does again and again.

import { StoreAway, StoreRefused } from './store_fault.js';

export interface Repeated {
  /** Runs it now, or once more where it runs already. */
  kick: () => void;
  stop: () => void;
}

/**
 * Runs something at intervals, never twice at once. Intervals differ a little, so that nodes that started together do
 * not go on together for ever.
 * @param tell gets errors, but not that the store is away, which the connection tells
 */
export function repeat(everyMs: number, run: () => Promise<void>, tell: (error: Error) => void): Repeated {
  let timer: NodeJS.Timeout | undefined;
  let isRunning = false;
  let isWanted = false;
  let isStopped = false;
  const go = async () => {
    clearTimeout(timer);
    isRunning = true;
    do {
      isWanted = false;
      await run().catch((error: Error) => isToldElsewhere(error) || tell(error));
    } while (isWanted && !isStopped);
    isRunning = false;
    if (!isStopped) timer = setTimeout(() => void go(), everyMs * (0.9 + Math.random() * 0.2));
  };
  timer = setTimeout(() => void go(), 0);
  return {
    kick: () => {
      isWanted = true;
      if (!isRunning && !isStopped) void go();
    },
    stop: () => {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}

function isToldElsewhere(error: Error): boolean {
  return error instanceof StoreAway && !(error instanceof StoreRefused);
}
