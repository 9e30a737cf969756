// The end of a container that runs once: nothing said twice, a line for each fault, exit code 1.

import { explainError } from '../node/fault.js';

/** Runs it and ends the process when it failed. */
export async function runOnce(run: () => void | Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    for (const line of explainError(error)) console.error(line);
    process.exitCode = 1;
  }
}
