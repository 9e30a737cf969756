// Load by wrk: one thread, kept connections, one credential or a list of them.

import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

export interface Load {
  port: number;
  seconds: number;
  connections: number;
  /** The header and its value, or a file of values, sent in turn. */
  header: string;
  value?: string;
  listFile?: string;
  /** Whether each value is sent once only: then the run ends with the list. */
  isOnce?: boolean;
  /** Where the wrk script may be written. */
  scriptFile: string;
  /** Milliseconds that each connection waits before its next request. */
  pauseMs?: number;
}

export interface Measured {
  requests: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Answers that were no 2xx or 3xx. */
  refused: number;
}

/** @throws Error that says how to get wrk */
export function checkWrk(): void {
  if (spawnSync('wrk', ['-v']).error !== undefined) {
    throw new Error('wrk was not found: install it (apt-get install wrk, or brew install wrk)');
  }
}

// wrk itself would run until its time is over, so a signal ends it. wrk ignores the signal while system(3) runs, so
// that a command in the background sends it 0.1 s later. Meanwhile a connection may send the first values again.
const onceScript = `
local answered = 0
function response()
  answered = answered + 1
  if answered == #values then os.execute("(sleep 0.1; kill -INT $PPID) &") end
end
`;

const listScript = (load: Load) => `
local values, i = {}, 0
for line in io.lines("${load.listFile}") do values[#values + 1] = line end
function request()
  i = i % #values + 1
  return "GET / HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n${load.header}: " .. values[i] .. "\\r\\n\\r\\n"
end
${load.isOnce === true ? onceScript : ''}`;

const pauseScript = (load: Load) => `function delay() return ${load.pauseMs} end\n`;

/** Runs wrk once. */
export async function runWrk(load: Load): Promise<Measured> {
  writeFileSync(load.scriptFile, scriptOf(load));
  const args = ['-t1', `-c${load.connections}`, `-d${load.seconds}s`, '--latency', '-s', load.scriptFile];
  if (load.value !== undefined) args.push('-H', `${load.header}: ${load.value}`);
  const child = spawn('wrk', [...args, `http://127.0.0.1:${load.port}/`]);
  let said = '';
  child.stdout.on('data', (part: Buffer) => (said += part.toString()));
  child.stderr.on('data', (part: Buffer) => (said += part.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  return parseWrk(said);
}

function scriptOf(load: Load): string {
  if (load.listFile !== undefined) return listScript(load);
  return load.pauseMs === undefined ? '' : pauseScript(load);
}

function parseWrk(said: string): Measured {
  const number = (pattern: RegExp) => Number(pattern.exec(said)?.[1] ?? NaN);
  const measured = {
    requests: number(/(\d+) requests in/),
    perSecond: number(/Requests\/sec:\s+([\d.]+)/),
    p50Ms: milliseconds(/50%\s+([\d.]+)(us|ms|s)/.exec(said)),
    p99Ms: milliseconds(/99%\s+([\d.]+)(us|ms|s)/.exec(said)),
    refused: number(/Non-2xx or 3xx responses: (\d+)/) || 0,
  };
  if (!(measured.requests > 0)) throw new Error(`wrk measured nothing:\n${said}`);
  return measured;
}

function milliseconds(match: RegExpExecArray | null): number {
  const factors: { [unit: string]: number } = { us: 0.001, ms: 1, s: 1000 };
  return match === null ? NaN : Number(match[1]) * (factors[match[2] as string] as number);
}
