// Statuses that tests render: nothing wrong, some things wrong, and everything wrong at once.

import { judgeStatus, type FileFacts, type StatusFacts } from '../../monitoring/judge_status.js';
import type { Status } from '../../monitoring/status.js';

/** The time of all of them: 2026-11-28 03:30:12 UTC. */
export const now = 1795836612;

export const healthyFiles: FileFacts = {
  isKeyFileFaulty: false,
  isSnapshotFaulty: false,
  isDenyListFaulty: false,
  checkedAgeSeconds: 0,
};

/** Sixty samples; each value may change over time. */
export function makeRates(
  requests: (i: number) => number,
  refused: (i: number) => number,
  failed: (i: number) => number,
) {
  return Array.from({ length: 60 }, (_, i) => ({
    time: now - 2 - (59 - i) * 10,
    requests: requests(i),
    refused: refused(i),
    failed: failed(i),
  }));
}

const wave = (i: number) => Math.round((12 + 5 * Math.sin(i / 6) + 2 * Math.sin(i * 1.7) + (i % 5) * 0.3) * 100) / 100;

export const healthyFacts: StatusFacts = {
  version: '0.1.0',
  nginx: '1.30.6',
  njs: '1.0.2',
  engine: 'qjs',
  started: now - 273600,
  now,
  components: { keys: 'ok', jwks: 'ok', verifier: 'ok' },
  rates: makeRates(
    wave,
    (i) => (i % 7 === 0 ? 0.3 : 0),
    () => 0,
  ),
  requests: { total: 3281904, refused: 1207, failed: 3 },
  refusals: [
    { reason: 'missing_credential', count: 611 },
    { reason: 'unknown_key', count: 402 },
    { reason: 'token_expired', count: 160 },
    { reason: 'rate_limited', count: 34 },
  ],
  keys: {
    count: 4,
    unusable: 0,
    ageSeconds: 86520,
    used: [
      { key: 'Ab3dE6gH', requests: 2101200, refusals: 12, lastUsed: now - 1 },
      { key: 'q8ZkR21m', requests: 933011, refusals: 0, lastUsed: now - 44 },
      { key: 'Tt0p9LxC', requests: 12, refusals: 3, lastUsed: now - 190000 },
      { key: 'nEv3rUs3', requests: 0, refusals: 0, lastUsed: null },
    ],
  },
  jwks: [
    { source: 'minting', keys: 1, ageSeconds: 273590, faulty: false },
    { source: 'remote', keys: 3, ageSeconds: 210, faulty: false },
  ],
  sidecar: { up: true, needed: true, queue: 0, minted: 518 },
  cluster: null,
  connections: { active: 31, reading: 0, writing: 9, waiting: 22 },
  certificateExpires: now + 61 * 86400,
  zones: [
    { zone: 'keygate_state', bytes: 8388608, used: 311296 },
    { zone: 'keygate_keys_a', bytes: 67108864, used: 1212416 },
    { zone: 'keygate_verdicts', bytes: 33554432, used: 9633792 },
  ],
};

/** Nothing is wrong. */
export const okStatus: Status = judgeStatus(healthyFacts, healthyFiles);

/** Some things are wrong, and requests are answered. */
export const degradedStatus: Status = judgeStatus(
  {
    ...healthyFacts,
    components: { keys: 'degraded', jwks: 'ok', verifier: 'ok' },
    certificateExpires: now + 9 * 86400 + 4000,
    keys: { ...healthyFacts.keys, unusable: 2 },
    zones: healthyFacts.zones.map((zone) => (zone.zone === 'keygate_verdicts' ? { ...zone, used: 30600000 } : zone)),
  },
  { ...healthyFiles, isKeyFileFaulty: true },
);

const reasons = [
  'unknown_key',
  'missing_credential',
  'token_expired',
  'token_signature',
  'token_audience',
  'token_issuer',
  'rate_limited',
  'verifier_unavailable',
  'keys_unavailable',
  'insufficient_scope',
  'bad_target',
  'two_credentials',
  'upstream_unavailable',
  'upstream_timeout',
  'location_not_configured',
  'internal_error',
];

/** Everything is wrong, with as much to show as there can be, and with hostile texts. */
export const failingStatus: Status = judgeStatus(
  {
    ...healthyFacts,
    components: { keys: 'failing', jwks: 'failing', verifier: 'failing' },
    rates: makeRates(
      wave,
      (i) => (i > 30 ? wave(i) * 0.7 : 0.2),
      (i) => (i > 40 ? wave(i) * 0.6 : 0),
    ),
    requests: { total: 987654321012, refused: 45678901, failed: 1234567 },
    refusals: reasons.map((reason, i) => ({ reason, count: Math.floor(38000000 / (i + 1) ** 3) })),
    keys: {
      count: 1234,
      unusable: 17,
      ageSeconds: 7205,
      used: Array.from({ length: 50 }, (_, i) => ({
        key: i === 3 ? '<script>alert(1)</script>\u202e"\'&' : i === 7 ? 'x'.repeat(128) : `Key${10007 + i * 3761}`,
        requests: 123456789 - i * 2400011,
        refusals: i * 31,
        lastUsed: i < 48 ? now - i * i * 137 : null,
      })),
    },
    jwks: [
      { source: 'minting', keys: 2, ageSeconds: 12, faulty: false },
      { source: 'local', keys: 0, ageSeconds: null, faulty: true },
      { source: 'remote', keys: 40, ageSeconds: 91000, faulty: true },
    ],
    sidecar: { up: false, needed: true, queue: 64, minted: 0 },
    cluster: { storeUp: false, stalenessSeconds: 305, nodes: 12, joined: false },
    connections: { active: 2048, reading: 12, writing: 1800, waiting: 236 },
    certificateExpires: now - 200000,
    zones: healthyFacts.zones.map((zone) => ({ ...zone, used: Math.floor(zone.bytes * 0.91) })),
  },
  { isKeyFileFaulty: true, isSnapshotFaulty: true, isDenyListFaulty: true, checkedAgeSeconds: 305 },
);
