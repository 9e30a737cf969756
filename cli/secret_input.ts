// A secret typed at a prompt without echo, or read from standard input; never an argument, which others can see.

import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { Fault } from '../node/fault.js';

/** Reads one line. */
export async function readSecret(prompt: string): Promise<string> {
  const isTerminal = process.stdin.isTTY === true;
  if (isTerminal) process.stderr.write(prompt);
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: isTerminal });
  for await (const line of lines) {
    lines.close();
    if (isTerminal) process.stderr.write('\n');
    if (line === '') break;
    return line;
  }
  throw new Fault('nothing was read', 'type it at the prompt, or pipe it in: printf %s "$KEY" | keygate key hash');
}
