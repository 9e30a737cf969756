// What known clients notice while others guess: wrong API keys from many addresses, each of which bcrypt would have to
// check against every entry; and, to tell the gateway's part from the machine's, as many requests without any key.

import { hash } from '@node-rs/bcrypt';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { median, type Subject } from './comparison.js';
import { makeKeys } from './credentials.js';
import { runWrk, type Load, type Measured } from './load.js';

export type Flood = 'none' | 'no key' | 'wrong keys';

/** What the known client gets, medians over the rounds. */
export interface FloodFigure {
  flood: Flood;
  perSecond: number;
  /** Of its requests a second in the same round without a flood. */
  ratio: number;
  p99Ms: number;
}

export interface FloodFigures {
  atPeak: FloodFigure[];
  paced: FloodFigure[];
  /** Wrong keys a second, over all rounds. */
  wrongPerSecond: number;
  /** How wrong keys were answered: how many, by status. */
  answers: { [status: string]: number };
}

export interface FloodSetting {
  subject: Subject;
  /** The known client's credential. */
  aim: Omit<Load, 'port'>;
  rounds: number;
  dir: string;
  /** Ends what the sidecar still has in its queue. */
  restartSidecar: () => Promise<void>;
}

export const hashedEntries = 50;
export const addresses = 200;
const connections = 400;
const perConnectionMs = 400; // together a thousand a second
const floodSeconds = 5;
const floods: Flood[] = ['none', 'no key', 'wrong keys'];

/**
 * Writes the key file of a flooded gate.
 * @returns the one key in it that the known client has
 */
export async function writeFloodedKeys(stateDir: string): Promise<string> {
  for (const part of ['keys', 'public', 'run']) mkdirSync(join(stateDir, part), { recursive: true });
  const { keys, lines } = makeKeys(1);
  const others = Array.from({ length: hashedEntries }, () => hash(randomBytes(24).toString('hex'), 10));
  const hashed = (await Promise.all(others)).map((one, i) => `h${i}:${one}\n`);
  writeFileSync(join(stateDir, 'keys', 'api_keys.txt'), lines + hashed.join(''));
  return keys[0] as string;
}

/** Measures the known client without a flood and with either, in turn: at its peak, and where it pauses between requests. */
export async function measureFlood(setting: FloodSetting): Promise<FloodFigures> {
  const answers: FloodFigures['answers'] = {};
  const paced = { ...setting.aim, connections: 2 * setting.aim.connections, pauseMs: 4 };
  const measure = async (aim: FloodSetting['aim']) => {
    const seen: Measured[][] = [];
    for (let i = 0; i < setting.rounds; i++) {
      const round: Measured[] = [];
      for (const flood of floods) round.push(await measureOne({ ...setting, aim }, flood, answers));
      seen.push(round);
    }
    return floods.map((flood, k) => summarize(flood, seen.map((round) => [round[0] as Measured, round[k] as Measured]))); // prettier-ignore
  };
  const figures = { atPeak: await measure(setting.aim), paced: await measure(paced) };
  const total = Object.values(answers).reduce((sum, count) => sum + count, 0);
  return { ...figures, answers, wrongPerSecond: total / (2 * setting.rounds * floodSeconds) };
}

function summarize(flood: Flood, pairs: [quiet: Measured, flooded: Measured][]): FloodFigure {
  return {
    flood,
    perSecond: median(pairs.map(([, flooded]) => flooded.perSecond)),
    ratio: median(pairs.map(([quiet, flooded]) => flooded.perSecond / quiet.perSecond)),
    p99Ms: median(pairs.map(([, flooded]) => flooded.p99Ms)),
  };
}

async function measureOne(
  { subject, aim, dir, restartSidecar }: FloodSetting,
  flood: Flood,
  answers: FloodFigures['answers'],
): Promise<Measured> {
  const guessing = flood === 'none' ? undefined : startFlood(subject.port, dir, flood);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const measured = await runWrk({ ...aim, port: subject.port });
  if (measured.refused > 0) throw new Error('flood: the known client was refused');
  const answered = await guessing;
  if (flood !== 'wrong keys' || answered === undefined) return measured;
  for (const [status, count] of Object.entries(answered)) answers[status] = (answers[status] ?? 0) + count;
  await restartSidecar();
  return measured;
}

// The gate believes X-Forwarded-For, so that one load generator stands for many addresses.
const script = (hasKeys: boolean) => `
math.randomseed(os.time())
local hex, sent, threads = "0123456789abcdef", 0, {}
n401, n429, n503, other = 0, 0, 0, 0
function setup(thread) threads[#threads + 1] = thread end
function delay() return math.random(${perConnectionMs / 2}, ${(perConnectionMs * 3) / 2}) end
function request()
  sent = sent + 1
  local key = {}
  for i = 1, 48 do local k = math.random(16); key[i] = hex:sub(k, k) end
  return "GET / HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nX-Forwarded-For: 192.0.2." .. (sent % ${addresses} + 1)
    ${hasKeys ? '.. "\\r\\nx-api-key: " .. table.concat(key) ' : ''}.. "\\r\\n\\r\\n"
end
function response(status)
  if status == 401 then n401 = n401 + 1 elseif status == 429 then n429 = n429 + 1
  elseif status == 503 then n503 = n503 + 1 else other = other + 1 end
end
function done()
  for _, status in ipairs({"n401", "n429", "n503", "other"}) do print("answered " .. status .. " " .. threads[1]:get(status)) end
end
`;

/** @returns how it was answered, by status */
async function startFlood(port: number, dir: string, flood: Flood): Promise<{ [status: string]: number }> {
  const scriptFile = join(dir, 'flood.lua');
  writeFileSync(scriptFile, script(flood === 'wrong keys'));
  const args = [
    '-t1',
    `-c${connections}`,
    `-d${floodSeconds}s`,
    '-s',
    scriptFile,
    `http://127.0.0.1:${port}/`,
  ];
  const said = await outputOf(spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] }));
  const counts = [...said.matchAll(/^answered n?(\w+) (\d+)/gm)].filter(([, , count]) => count !== '0');
  if (counts.length === 0) throw new Error(`flood: nothing was answered:\n${said}`);
  return Object.fromEntries(counts.map(([, status, count]) => [status, Number(count)]));
}

async function outputOf(child: ChildProcessByStdio<null, Readable, null>): Promise<string> {
  let said = '';
  child.stdout.on('data', (part: Buffer) => (said += part.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  return said;
}
