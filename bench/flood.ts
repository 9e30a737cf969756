// What a client with a valid key (the known client) gets while others guess. A flood sends wrong API keys from many
// addresses, and bcrypt would have to compare each with every entry. A second flood, of as many requests without a key,
// tells the gateway's part from the machine's.

import { hash } from '@node-rs/bcrypt';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Aim, Subject } from './comparison.js';
import { makeKeys } from './credentials.js';
import { runWrk, type Measured } from './load.js';
import { pause, startSidecar } from './processes.js';
import { formatSpread, spreadOf, type Spread } from './spread.js';
import { aimKnown, makeStateDir, say, startMs, type Stand } from './stand.js';

export type Flood = 'none' | 'no key' | 'wrong keys';

/** What the known client gets, over the rounds. */
export interface FloodFigure {
  flood: Flood;
  perSecond: Spread;
  /** Of its requests a second in the same round without a flood. */
  ratio: Spread;
  p99Ms: Spread;
}

/** How wrong keys were answered: how many, by status. */
type Answers = { [status: string]: number };

export interface FloodFigures {
  atPeak: FloodFigure[];
  paced: FloodFigure[];
  /** Wrong keys a second, over all rounds. */
  wrongPerSecond: number;
  answers: Answers;
}

interface Flooded {
  subject: Subject;
  dir: string;
  /** Ends what the sidecar still has in its queue. */
  restartSidecar: () => Promise<void>;
}

export const hashedEntries = 50;
export const addresses = 200;
const rounds = 3;
const floodConnections = 400;
const perConnectionMs = 400; // together a thousand a second
const floodSeconds = 5;
const floods: Flood[] = ['none', 'no key', 'wrong keys'];

/**
 * Measures the known client without a flood and with either, in turn: at its peak, and where it pauses between
 * requests.
 */
export async function measureFlood(stand: Stand): Promise<FloodFigures> {
  const { key, ...flooded } = await startFlooded(stand);
  const aim = { ...aimKnown(stand), header: 'x-api-key', value: key };
  const paced = { ...aim, connections: 2 * aim.connections, pauseMs: 4 };
  const answers: Answers = {};
  const count = (answered: Answers) => {
    for (const [status, more] of Object.entries(answered)) answers[status] = (answers[status] ?? 0) + more;
  };
  const measured = {
    atPeak: await measureRounds(flooded, aim, count),
    paced: await measureRounds(flooded, paced, count),
  };
  const total = Object.values(answers).reduce((sum, more) => sum + more, 0);
  return { ...measured, answers, wrongPerSecond: total / (2 * rounds * floodSeconds) };
}

async function startFlooded(stand: Stand): Promise<Flooded & { /** The known client's. */ key: string }> {
  const stateDir = join(stand.dir, 'flooded-state');
  const { keys, lines } = makeKeys(1);
  const others = Array.from({ length: hashedEntries }, () => hash(randomBytes(24).toString('hex'), 10));
  const hashed = (await Promise.all(others)).map((one, i) => `h${i}:${one}\n`);
  makeStateDir(stateDir, lines + hashed.join(''));
  let sidecar = await startSidecar(stateDir);
  stand.stops.push(() => sidecar.stop());
  const restartSidecar = async () => {
    await sidecar.stop();
    sidecar = await startSidecar(stateDir);
  };
  const subject = await stand.start('flooded', stand.gate({ stateDir, isLimited: true }));
  await pause(startMs);
  return { subject, dir: stand.dir, restartSidecar, key: keys[0] as string };
}

type Count = (answered: Answers) => void;

async function measureRounds(flooded: Flooded, aim: Aim, count: Count): Promise<FloodFigure[]> {
  const seen: Measured[][] = [];
  for (let i = 0; i < rounds; i++) {
    const round: Measured[] = [];
    for (const flood of floods) {
      const { measured, answered } = await measureOne(flooded, aim, flood);
      round.push(measured);
      if (flood === 'wrong keys') count(answered);
    }
    seen.push(round);
  }
  const over = (k: number, pick: (quiet: Measured, one: Measured) => number) =>
    spreadOf(seen.map((round) => pick(round[0] as Measured, round[k] as Measured)));
  return floods.map((flood, k) => ({
    flood,
    perSecond: over(k, (_, one) => one.perSecond),
    ratio: over(k, (quiet, one) => one.perSecond / quiet.perSecond),
    p99Ms: over(k, (_, one) => one.p99Ms),
  }));
}

async function measureOne(
  { subject, dir, restartSidecar }: Flooded,
  aim: Aim,
  flood: Flood,
): Promise<{ measured: Measured; answered: Answers }> {
  const guessing = flood === 'none' ? Promise.resolve({}) : startFlood(subject.port, dir, flood);
  await pause(1000);
  const measured = await runWrk({ ...aim, port: subject.port });
  if (measured.refused > 0) throw new Error('flood: the known client was refused');
  const answered: Answers = await guessing;
  if (flood === 'wrong keys') await restartSidecar();
  return { measured, answered };
}

/** Tells what the known client got. */
export function sayFlood({ atPeak, paced, wrongPerSecond, answers }: FloodFigures): void {
  for (const { flood, perSecond, ratio, p99Ms } of [...atPeak, ...paced]) {
    const gets = `${formatSpread(perSecond)} requests/s, ${formatSpread(ratio, 2)}`;
    say(`flood: ${flood.padEnd(12)}  ${gets}, p99 ${formatSpread(p99Ms, 2)} ms`);
  }
  say(`${Math.round(wrongPerSecond)} wrong keys/s, answered ${JSON.stringify(answers)}`);
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
async function startFlood(port: number, dir: string, flood: Flood): Promise<Answers> {
  const scriptFile = join(dir, 'flood.lua');
  writeFileSync(scriptFile, script(flood === 'wrong keys'));
  const args = ['-t1', `-c${floodConnections}`, `-d${floodSeconds}s`, '-s', scriptFile, `http://127.0.0.1:${port}/`];
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
