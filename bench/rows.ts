// The rows of the main table: what a known, a new and a forged credential cost, each beside plain nginx.

import { findFreePort } from '../launcher/facts.js';
import { startClustered } from './cluster.js';
import { compare, type Aim, type Comparison, type Subject, type Trial } from './comparison.js';
import { withoutSignature } from './credentials.js';
import { runWrk } from './load.js';
import { pause } from './processes.js';
import { formatSpread } from './spread.js';
import { aimKnown, aimList, forget, say, startMs, type Stand } from './stand.js';

/** Figures by name; the names are those of the JSON line. */
export type Figures = { [name: string]: Comparison };

/** Measures every row; `guard` is Keygate by guard.conf, with the decision server behind a Unix socket. */
export async function measureRows(stand: Stand, guard: Subject): Promise<Figures> {
  const figures: Figures = {};
  const measure = async (name: string, subject: Subject, trial: Omit<Trial, 'subject' | 'plain'>) => {
    const figure = await compare({ ...trial, subject, plain: stand.plain });
    figures[name] = figure;
    say(describeRow(name, figure));
  };
  await measureKnown(stand, guard, measure);
  await measureFresh(stand, guard, measure);
  return figures;
}

type Measure = (name: string, subject: Subject, trial: Omit<Trial, 'subject' | 'plain'>) => Promise<void>;

async function measureKnown(stand: Stand, guard: Subject, measure: Measure): Promise<void> {
  const { plain, scale, start, gate } = stand;
  const decisionAddress = `127.0.0.1:${await findFreePort()}`;
  const overTcp = await start('guard_tcp', gate({ decisionAddress }));
  const access = await start('access', gate({ entry: 'access' }));
  const old = await start('es5', gate({ engine: 'njs' }));
  const node = await startClustered(stand);
  const crowded = await start('crowded', gate());
  await pause(startMs);
  const aim = aimKnown(stand);
  const known = { aim, rounds: scale.rounds };
  await compare({ subject: guard, plain, aim, rounds: 1 }); // warms everything up
  await measure('auth_request_cached', guard, known);
  await measure('guard_tcp_cached', overTcp, known);
  await runWrk({ ...aim, port: crowded.port, seconds: 1, connections: 200 });
  await measure('guard_after_crowd', crowded, known);
  await measure('access_cached', access, known);
  await measure('es5_cached', old, known);
  await measure('cluster_cached', node, known);
}

async function measureFresh(stand: Stand, guard: Subject, measure: Measure): Promise<void> {
  const { rsaTokens, ecTokens, keys } = stand.credentials;
  const trial = (aim: Aim) => ({ aim, rounds: stand.scale.freshRounds, prepare: () => forget(stand) });
  await measure('es256_fresh', guard, trial(aimList(stand, 'token', ecTokens)));
  await measure('apikey_first', guard, trial(aimList(stand, 'key', keys)));
  const forged = trial(aimList(stand, 'token', withoutSignature(rsaTokens)));
  await measure('deny_random', guard, { ...forged, isRefusing: true });
  const tokens = trial(aimList(stand, 'token', rsaTokens));
  await measure('rs256_fresh', guard, tokens);
  // So many tokens that a context has dropped each before its next turn; shared memory still has the token's verdict.
  const sendAll = async () => {
    await forget(stand);
    await runWrk({ ...tokens.aim, port: guard.port, isOnce: true, seconds: 60 });
  };
  await measure('rs256_elsewhere', guard, { ...tokens, prepare: sendAll });
}

function describeRow(name: string, { ratio, addedMicros, plainPerSecond }: Comparison): string {
  const perSecond = Math.round(plainPerSecond.median);
  const added = formatSpread(addedMicros, 1);
  return `${name.padEnd(22)} ${formatSpread(ratio, 2)} of plain nginx's ${perSecond} requests/s, +${added} us CPU`;
}
