// An operator who is woken by a status that is not ok: each state of the gateway, and the sentence about it.

import { describe, expect, it } from 'vitest';
import { judgeStatus, type FileFacts, type StatusFacts } from '../../monitoring/judge_status.js';
import type { ClusterStatus } from '../../monitoring/status.js';
import { healthyFacts, healthyFiles, makeRates, now } from './statuses.js';

const none = () => 0;
const judge = (facts: Partial<StatusFacts>, files: Partial<FileFacts> = {}) => {
  const { status, problems } = judgeStatus({ ...healthyFacts, ...facts }, { ...healthyFiles, ...files });
  return { status, problems };
};
const components = (changed: Partial<StatusFacts['components']>) => ({
  components: { ...healthyFacts.components, ...changed },
});
const certificate = (secondsLeft: number) => ({ certificateExpires: now + secondsLeft });
const zone = (used: number) => ({ zones: [{ zone: 'keygate_state', bytes: 1000, used }] });
const rates = (requests: number, failed: number, refused = 0) => ({
  rates: makeRates(
    () => requests,
    () => refused,
    () => failed,
  ),
});

const cluster = (facts: Partial<ClusterStatus>): Partial<StatusFacts> => ({
  cluster: { storeUp: true, stalenessSeconds: 0.4, nodes: 3, joined: true, ...facts },
});

describe('a status', () => {
  it('is ok without problems where all is well, and keeps every fact', () => {
    expect(judgeStatus(healthyFacts, healthyFiles)).toEqual({ ...healthyFacts, status: 'ok', problems: [] });
  });

  it.each<[string, Partial<StatusFacts>, Partial<FileFacts>, string]>([
    ['a faulty key file', components({ keys: 'degraded' }), { isKeyFileFaulty: true }, 'The key file can not be used'],
    ['a faulty deny list', components({ keys: 'degraded' }), { isDenyListFaulty: true }, 'The deny list can not'],
    ['unusable lines', { keys: { ...healthyFacts.keys, unusable: 2 } }, {}, 'The key file has 2 lines that'],
    ['one unusable line', { keys: { ...healthyFacts.keys, unusable: 1 } }, {}, 'The key file has 1 line that'],
    ['files not looked at', {}, { checkedAgeSeconds: 11 }, 'nginx has not looked at its key files for 11 s'],
    ['files never looked at', {}, { checkedAgeSeconds: null }, 'nginx has not looked at its key files yet'],
    [
      'JWKs that can not be renewed',
      { jwks: [{ source: 'remote', keys: 1, ageSeconds: 9, faulty: true }] },
      {},
      'The JWKs of remote can not be renewed',
    ],
    [
      'a sidecar that is down',
      { sidecar: { up: false, needed: true, queue: 0, minted: 0 } },
      {},
      'The sidecar does not',
    ],
    [
      'a sidecar without keys',
      components({ verifier: 'failing' }),
      {},
      'The sidecar says that it can not use the keys',
    ],
    [
      'a store that is away',
      cluster({ storeUp: false, stalenessSeconds: 65 }),
      {},
      'The store of the cluster is away: changes of 1 min',
    ],
    [
      'a snapshot that stays old',
      cluster({ stalenessSeconds: 6 }),
      {},
      'This node has not been equal to the store for 6 s',
    ],
    ['1 % of 5xx', rates(10, 0.1), {}, '30 of the 3,000 requests of the last 5 minutes ended in a 5xx answer.'],
    ['half refused', rates(1, 0, 0.5), {}, '150 of the 300 requests of the last 5 minutes were refused.'],
    ['a certificate with 13 days left', certificate(13 * 86400), {}, 'The certificate expires in 13 d, on 2026-12-11.'],
    ['a zone over 85 %', zone(851), {}, 'The shared memory keygate_state is 85 % full.'],
  ])('is degraded by %s', (_, facts, files, sentence) => {
    const { status, problems } = judge(facts, files);
    expect(status).toBe('degraded');
    expect(problems).toEqual([expect.stringContaining(sentence)]);
  });

  it.each<[string, Partial<StatusFacts>, Partial<FileFacts>, string]>([
    ['keys that can not be checked', components({ keys: 'failing' }), { isKeyFileFaulty: true }, 'No API key can be'],
    ['tokens that can not be checked', components({ jwks: 'failing' }), {}, 'Tokens can not be checked'],
    ['a node that has not joined', cluster({ joined: false }), {}, 'This node has not joined its cluster yet'],
    ['half of all answers 5xx', rates(1, 0.5), {}, '150 of the 300 requests of the last 5 minutes ended in a 5xx'],
    ['an expired certificate', certificate(-3700), {}, 'The certificate expired 1 h 1 min ago, on 2026-11-28.'],
  ])('is failing by %s', (_, facts, files, sentence) => {
    const { status, problems } = judge(facts, files);
    expect(status).toBe('failing');
    expect(problems).toEqual([expect.stringContaining(sentence)]);
  });

  it.each<[string, Partial<StatusFacts>, Partial<FileFacts>]>([
    ['files looked at ten seconds ago', {}, { checkedAgeSeconds: 10 }],
    ['a zone filled to 85 %', zone(850), {}],
    ['a certificate with 14 days left', certificate(14 * 86400), {}],
    ['a node of a cluster', cluster({ stalenessSeconds: 5 }), {}],
    ['no certificate', { certificateExpires: null }, {}],
    ['less than 1 % of 5xx', rates(10, 0.09), {}],
    ['less than half refused', rates(1, 0, 0.49), {}],
    ['no samples', { rates: [] }, {}],
    ['2 failures on a quiet gateway', { rates: [{ time: now, requests: 0.2, refused: 0, failed: 0.2 }] }, {}],
    ['29 refusals on a quiet gateway', { rates: [{ time: now, requests: 2.9, refused: 2.9, failed: 0 }] }, {}],
    ['failures before the last 5 minutes', { rates: [{ time: now - 300, requests: 9, refused: 9, failed: 9 }] }, {}],
  ])('is ok with %s', (_, facts, files) => {
    expect(judge(facts, files)).toEqual({ status: 'ok', problems: [] });
  });

  it('says first what makes it failing', () => {
    const { status, problems } = judge({ ...certificate(-1), ...zone(900), rates: makeRates(none, none, none) });
    expect(status).toBe('failing');
    expect(problems.map((problem) => problem.slice(0, 15))).toEqual(['The certificate', 'The shared memo']);
  });
});
