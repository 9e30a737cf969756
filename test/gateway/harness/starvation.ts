// How long a busy machine kept processes waiting for a core, by the kernel's own account (/proc/PID/schedstat): so a
// test can say how late a program was, apart from how late the machine was.

import { readFileSync } from 'node:fs';

export interface Starvation {
  /**
   * Milliseconds that these roles waited, one after the other, from one time to another (Date.now). Of the processes of
   * one role, which work side by side, the one counts that waited longest.
   */
  waitedMs: (roles: string[], fromMs: number, toMs: number) => number;
  stop: () => void;
}

interface Sample {
  atMs: number;
  waitedMs: { [role: string]: number };
}

const everyMs = 100;

/** @param roles the processes of each role at the moment; they may change */
export function watchStarvation(roles: { [role: string]: () => number[] }): Starvation {
  const samples: Sample[] = [];
  const last = new Map<number, number>();
  const sums: { [role: string]: number } = {};
  const take = () => {
    for (const [role, pids] of Object.entries(roles)) {
      const waits = pids().map((pid) => {
        const waited = readWaitedMs(pid);
        const more = waited - (last.get(pid) ?? waited);
        last.set(pid, waited);
        return more;
      });
      sums[role] = (sums[role] ?? 0) + Math.max(0, ...waits);
    }
    samples.push({ atMs: Date.now(), waitedMs: { ...sums } });
  };
  take();
  const timer = setInterval(take, everyMs);
  const firstAfter = (ms: number) => samples.find(({ atMs }) => atMs >= ms) ?? (samples.at(-1) as Sample);
  return {
    waitedMs: (asked, fromMs, toMs) => {
      const from = firstAfter(fromMs - everyMs);
      const to = firstAfter(toMs + everyMs); // what a process waited is known when it has run again
      return asked.reduce((sum, role) => sum + (to.waitedMs[role] ?? 0) - (from.waitedMs[role] ?? 0), 0);
    },
    stop: () => clearInterval(timer),
  };
}

function readWaitedMs(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0; // it has ended
  }
}

/** The processes that a process has started. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
