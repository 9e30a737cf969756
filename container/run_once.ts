// How a container that runs once reports a failure: it prints each fault once, and exits with code 1.

import { explainError } from '../node/fault.js';

/** Runs the container's work, and sets exit code 1 when the work fails. */
export async function runOnce(run: () => void | Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    for (const line of explainError(error)) console.error(line);
    process.exitCode = 1;
  }
}
