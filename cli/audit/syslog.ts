// The lines of the audit log on syslog, by the program `logger`: Node.js has no datagram sockets of the file system.

import { spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { statSync } from 'node:fs';

const waitMs = 2000;
const usualBytes = 900; // `logger` cuts a line at 1,024 bytes unless it is told otherwise; its header counts too

/**
 * Sends lines to syslog, as facility auth and level notice. Does nothing where there is no syslog or no `logger`.
 * @param socket where syslog listens
 */
export function tellSyslog(lines: string[], socket = '/dev/log'): void {
  if (statSync(socket, { throwIfNoEntry: false })?.isSocket() !== true) return;
  const size = lines.some((line) => line.length > usualBytes) ? ['--size', '32KiB'] : [];
  const full = runLogger(['--socket-errors=on', ...size], lines); // else util-linux says nothing of a dead socket
  const ran = /option/.test(full.stderr) ? runLogger([], lines) : full; // BusyBox knows neither option
  const fault = describeRun(ran);
  if (fault !== undefined)
    console.error(`keygate: warning: syslog: not written (${fault}): the change is made; try \`logger test\``);
}

function runLogger(options: string[], lines: string[]): SpawnSyncReturns<string> {
  return spawnSync('logger', ['-t', 'keygate', '-p', 'auth.notice', ...options], {
    input: lines.join(''),
    env: { PATH: process.env['PATH'] }, // keys may stand in the environment
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: waitMs,
    killSignal: 'SIGKILL',
    encoding: 'utf8',
  });
}

// stderr is null where logger did not start.
function describeRun({ error, status, stderr }: SpawnSyncReturns<string | null>): string | undefined {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ENOENT') return undefined;
  if (code === 'ETIMEDOUT') return `logger has not ended within ${waitMs / 1000} s`;
  const said = (stderr ?? '').replace(/ *[^\x20-\x7e]+/g, ' ').trim();
  if (status === 0 && code === undefined) return undefined;
  return said.slice(0, 200) || (code ?? `logger ended with ${status}`);
}
