// The parts of the gateway that the page and the command show first: each with its state and its facts.

import { certificateWarningSeconds } from './judge_status.js';
import type { Condition, Status } from './status.js';
import { formatAge, formatAgo, formatCount, formatDay, formatNoun } from './status_words.js';

/** One part of the gateway: its state, and what else there is to say. */
export interface Part {
  name: string;
  condition: Condition;
  /** The state in a word. */
  word: string;
  facts: string[];
}

/** @returns the parts that the page and the command show first */
export function describeParts(status: Status): Part[] {
  const { components, keys, jwks, sidecar } = status;
  const unusable = keys.unusable > 0 ? [`${formatNoun(keys.unusable, 'line')} can't be used`] : [];
  const jwkCount = jwks.reduce((total, set) => total + set.keys, 0);
  const parts: Part[] = [
    part('API keys', components.keys === 'ok' && keys.unusable > 0 ? 'degraded' : components.keys, [
      formatNoun(keys.count, 'key'),
      keys.ageSeconds === null ? 'never read' : `taken up ${formatAgo(keys.ageSeconds)}`,
      ...unusable,
    ]),
    part('JWKs', components.jwks, [`${formatNoun(jwkCount, 'key')} from ${formatNoun(jwks.length, 'source')}`]),
    describeSidecar(status, [
      `${formatCount(sidecar.queue)} in its queue`,
      `${formatNoun(sidecar.minted, 'token')} minted`,
    ]),
  ];
  return parts.concat(describeCluster(status), describeCertificate(status));
}

function part(name: string, condition: Condition, facts: string[]): Part {
  return { name, condition, word: condition, facts };
}

function describeSidecar({ sidecar, components }: Status, facts: string[]): Part {
  const name = 'Sidecar';
  if (!sidecar.up && !sidecar.needed) return { name, condition: 'ok', word: 'not in use', facts: [] };
  if (!sidecar.up) return { name, condition: 'failing', word: 'down', facts };
  return { name, condition: components.verifier, word: components.verifier === 'ok' ? 'up' : 'faulty', facts };
}

function describeCluster({ cluster }: Status): Part[] {
  if (cluster === null) return [];
  const { storeUp, stalenessSeconds, nodes, joined } = cluster;
  const facts = [formatNoun(nodes, 'node'), `newest ${formatAgo(stalenessSeconds)}`];
  if (!joined) return [{ name: 'Cluster', condition: 'failing', word: 'not joined', facts }];
  return [{ name: 'Cluster', condition: storeUp ? 'ok' : 'degraded', word: storeUp ? 'up' : 'store away', facts }];
}

function describeCertificate({ certificateExpires, now }: Status): Part[] {
  if (certificateExpires === null) return [];
  const left = certificateExpires - now;
  const condition = left <= 0 ? 'failing' : left < certificateWarningSeconds ? 'degraded' : 'ok';
  const word = left <= 0 ? 'expired' : condition === 'ok' ? 'valid' : 'ends soon';
  const span = left <= 0 ? `${formatAge(-left)} ago` : `expires in ${formatAge(left)}`;
  return [{ name: 'Certificate', condition, word, facts: [span, `on ${formatDay(certificateExpires)}`] }];
}
