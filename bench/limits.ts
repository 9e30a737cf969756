// What a limit adds to a known credential: Keygate with RATE_LIMIT_KEY beside Keygate without, each in turn.

import { compare } from './comparison.js';
import type { GateOptions } from './stand.js';
import { pause } from './processes.js';
import { formatSpread, type Spread } from './spread.js';
import { aimKnown, say, startMs, type Stand } from './stand.js';

export interface LimitCosts {
  /** CPU time per request beyond that without a limit, in microseconds. */
  belowRate: Spread;
  fromBurst: Spread;
}

/** Measures a bucket that is full again at each request, and a bucket that only empties. */
export async function measureLimits(stand: Stand): Promise<LimitCosts> {
  const unlimited = await stand.start('unlimited', stand.gate());
  const cost = async (name: string, settings: NonNullable<GateOptions['settings']>): Promise<Spread> => {
    const subject = await stand.start(name, stand.gate({ settings }));
    await pause(startMs);
    const trial = { subject, plain: unlimited, aim: aimKnown(stand), rounds: stand.scale.rounds };
    await compare({ ...trial, rounds: 1 }); // warms everything up
    return (await compare(trial)).addedMicros;
  };
  return {
    belowRate: await cost('below_rate', { rate_limit_key: '900000/s', rate_limit_key_burst: '1000000' }),
    fromBurst: await cost('from_burst', { rate_limit_key: '1/s', rate_limit_key_burst: '1000000' }),
  };
}

/** Says what was measured. */
export function sayLimits({ belowRate, fromBurst }: LimitCosts): void {
  say(`a limit adds           +${formatSpread(belowRate, 1)} us CPU to a request below its rate`);
  say(`                       +${formatSpread(fromBurst, 1)} us CPU to a request from its burst`);
}
