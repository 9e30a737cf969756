// What named providers cost: a gate with ten of them beside one with a single one, each in turn; and the single one
// beside a gate without a providers file, which takes the same tokens by JWT_ISSUER.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compare, type Subject } from './comparison.js';
import { pause } from './processes.js';
import { formatSpread, type Spread } from './spread.js';
import { aimKnown, aimList, forget, say, startMs, type Stand } from './stand.js';

/** CPU time per request beyond that of the other gate, in microseconds. */
export interface ProviderCosts {
  /** For a token that is remembered, and for one that was never seen (ES256). */
  tenBesideOne: { known: Spread; fresh: Spread };
  oneBesideNone: { known: Spread; fresh: Spread };
}

/** Measures both pairs. */
export async function measureProviders(stand: Stand): Promise<ProviderCosts> {
  const none = await stand.start('unnamed', stand.gate());
  const one = await startWith(stand, 1);
  const ten = await startWith(stand, 10);
  await pause(startMs);
  return {
    tenBesideOne: await measurePair(stand, ten, one),
    oneBesideNone: await measurePair(stand, one, none),
  };
}

function startWith(stand: Stand, count: number): Promise<Subject> {
  const file = join(stand.dir, `providers-${count}.json`);
  const providers = Array.from({ length: count }, (_, i) => ({
    name: `provider-${i}`,
    issuer: i === count - 1 ? 'https://issuer.example' : `https://issuer-${i}.example`,
    audience: 'bench',
    jwks: { file: 'jwks.json' },
  }));
  writeFileSync(file, JSON.stringify({ providers }));
  const settings = { jwt_providers_file: file, jwks_path: '', jwt_issuer: '', jwt_audience: '' };
  return stand.start(`providers_${count}`, stand.gate({ settings }));
}

async function measurePair(stand: Stand, subject: Subject, plain: Subject): Promise<{ known: Spread; fresh: Spread }> {
  const { rounds, freshRounds } = stand.scale;
  const known = { subject, plain, aim: aimKnown(stand), rounds };
  await compare({ ...known, rounds: 1 }); // warms both up
  const fresh = { subject, plain, aim: aimList(stand, 'token', stand.credentials.ecTokens), rounds: freshRounds };
  const prepare = () => forget(stand);
  await prepare(); // the other gate's first round is of fresh tokens too: both read the same deny list
  return {
    known: (await compare(known)).addedMicros,
    fresh: (await compare({ ...fresh, prepare })).addedMicros,
  };
}

/** Says what was measured. */
export function sayProviders({ tenBesideOne, oneBesideNone }: ProviderCosts): void {
  const tell = (what: string, { known, fresh }: ProviderCosts['tenBesideOne']) => {
    say(`${what.padEnd(34)} ${formatSpread(known, 1)} us CPU for a known token`);
    say(`${''.padEnd(34)} ${formatSpread(fresh, 1)} us CPU for a fresh one`);
  };
  tell('ten providers beside one', tenBesideOne);
  tell('one provider beside JWT_ISSUER', oneBesideNone);
}
