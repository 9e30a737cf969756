// What a command prints (lines for people, or one JSON object for scripts), and its exit codes.

import type { Command } from 'commander';

export const exitCodes = { done: 0, failed: 1, usage: 2 };

/** Prints a result in the form that was asked for. */
export function print(command: Command, result: object, lines: string[]): void {
  const { json } = command.optsWithGlobals<{ json?: boolean }>();
  console.log(json === true ? JSON.stringify(result) : lines.join('\n'));
}
