// Runs nginx in the foreground. Ends nginx when the launcher says so or is gone, and the workers that a killed master
// leaves behind. When this process is killed too, the next start ends them (nginx_processes.ts).

import { spawn } from 'node:child_process';
import { endNginxOf } from './nginx_processes.js';

const [dir, program, ...args] = process.argv.slice(2) as [string, string, ...string[]];
const nginx = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });

const end = () => nginx.kill('SIGTERM');
process.on('SIGTERM', end);
process.on('SIGUSR1', () => nginx.kill('SIGUSR1')); // logs are to be opened anew
process.on('SIGINT', () => undefined); // Ctrl-C reaches the whole group; the launcher decides the order
process.on('disconnect', end);
nginx.on('exit', (code) => void endNginxOf(dir).then(() => process.exit(code ?? 1)));
nginx.on('error', (error) => {
  console.error(`keygate: ${program}: ${error.message}`);
  process.exit(1);
});
