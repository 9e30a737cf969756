// The nginx processes of one STATE_DIR, whoever started them: a killed master leaves workers behind that serve on and
// hold LISTEN_PORT. Only Linux tells whose a process is; elsewhere no process is found.

import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';

const patienceMs = 3000;
const pollMs = 30;

interface NginxProcess {
  pid: number;
  parent: number;
}

/**
 * Ends nginx and its workers, and returns when they are gone.
 * @param dir nginx's folder under STATE_DIR; its processes are those that have a log in it open
 */
export async function endNginxOf(dir: string): Promise<void> {
  const killMs = Date.now() + patienceMs;
  for (;;) {
    const all = findNginxOf(dir);
    if (all.length === 0) return;
    const isRoot = ({ parent }: NginxProcess) => !all.some(({ pid }) => pid === parent);
    if (Date.now() > killMs) signal(all, 'SIGKILL');
    else signal(all.filter(isRoot), 'SIGTERM'); // a master ends its workers, and replaces a worker that we end
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

function findNginxOf(dir: string): NginxProcess[] {
  if (!existsSync('/proc/self/maps') || !existsSync(dir)) return [];
  const logs = join(realpathSync(dir), 'logs', '/');
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && hasOpen(name, logs) && isNginx(name));
  return pids.map((pid) => ({ pid: Number(pid), parent: parentOf(pid) }));
}

// A process in a container may have files of the same path open, and is not ours. A process that can't be read has
// ended, or is another user's.
function hasOpen(pid: string, folder: string): boolean {
  const files = orElse([], () => readdirSync(`/proc/${pid}/fd`));
  if (!files.some((file) => linkOf(`/proc/${pid}/fd/${file}`).startsWith(folder))) return false;
  return linkOf(`/proc/${pid}/ns/mnt`) === linkOf('/proc/self/ns/mnt');
}

// By the program in the process's memory: where ld.so runs nginx, name and title of the process are ld.so's.
function isNginx(pid: string): boolean {
  return /\/nginx(?: \(deleted\))?$/m.test(orElse('', () => readFileSync(`/proc/${pid}/maps`, 'utf8')));
}

function parentOf(pid: string): number {
  const stat = orElse('', () => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  return Number(/^.*\) \S (\d+)/s.exec(stat)?.[1] ?? 0);
}

function linkOf(path: string): string {
  return orElse('', () => readlinkSync(path));
}

function orElse<T>(otherwise: T, read: () => T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

function signal(processes: NginxProcess[], name: 'SIGTERM' | 'SIGKILL'): void {
  for (const { pid } of processes) orElse(false, () => process.kill(pid, name));
}
