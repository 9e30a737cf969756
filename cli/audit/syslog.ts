// The lines of the audit log on syslog, by the program `logger`: Node.js has no datagram sockets of the file system.

import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';

const waitMs = 2000;
const usualBytes = 900; // `logger` cuts a line at 1,024 bytes unless it is told otherwise; its header counts too

/**
 * Sends lines to syslog, as facility auth and level notice. Does nothing where there is no syslog or no `logger`.
 * @param socket where syslog listens
 */
export function tellSyslog(lines: string[], socket = '/dev/log'): void {
  if (statSync(socket, { throwIfNoEntry: false })?.isSocket() !== true) return;
  const isLong = lines.some((line) => line.length > usualBytes);
  const ran = spawnSync('logger', ['-t', 'keygate', '-p', 'auth.notice', ...(isLong ? ['--size', '32KiB'] : [])], {
    input: lines.join(''),
    env: { PATH: process.env['PATH'] }, // keys may stand in the environment
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: waitMs,
    killSignal: 'SIGKILL',
    encoding: 'utf8',
  });
  const fault = describeRun(ran);
  if (fault !== undefined)
    console.error(`keygate: warning: syslog: not written (${fault}): the change is made; try \`logger test\``);
}

function describeRun({ error, status, stderr }: ReturnType<typeof spawnSync>): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ENOENT') return undefined;
  if (code === 'ETIMEDOUT') return `logger has not ended within ${waitMs / 1000} s`;
  const said = String(stderr)
    .replace(/ *[^\x20-\x7e]+/g, ' ')
    .trim();
  if (status === 0 && code === undefined) return undefined;
  return said.slice(0, 200) || (code ?? `logger ended with ${status}`);
}
