// Runs nginx in the foreground and ends it when told to, or when the launcher is gone without a word.

import { spawn } from 'node:child_process';

const [program, ...args] = process.argv.slice(2) as [string, ...string[]];
const nginx = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });

const end = () => nginx.kill('SIGTERM');
process.on('SIGTERM', end);
process.on('SIGINT', () => undefined); // Ctrl-C reaches the whole group; the launcher decides the order
process.on('disconnect', end);
nginx.on('exit', (code) => process.exit(code ?? 1));
nginx.on('error', (error) => {
  console.error(`keygate: ${program}: ${error.message}`);
  process.exit(1);
});
