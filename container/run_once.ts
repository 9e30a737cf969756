// The end of a container that runs once: nothing said twice, a line for each fault, exit code 1.

import { StartFault } from '../launcher/preparations.js';
import { SettingsError } from '../settings/read.js';

/** Runs it and ends the process when it failed. */
export async function runOnce(run: () => void | Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    for (const line of explain(error)) console.error(`keygate: ${line}`);
    process.exitCode = 1;
  }
}

function explain(error: unknown): string[] {
  if (error instanceof SettingsError) return error.faults;
  if (error instanceof StartFault) return [error.message];
  return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
}
