// What nginx remembers changes no answer. One key file, one set of JWKs and one clock, asked in two ways: through what
// nginx runs (njs/decision with its caches in two QuickJS contexts and one of the old engine, over shared memory), and
// through decide() with a gate that remembers nothing. Keys, tokens and time change between questions.

import { hashSync, verifySync } from '@node-rs/bcrypt';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { readCertificate } from '../../auth/client_certificate.js';
import { parseKeyId } from '../../auth/credential.js';
import { decide, type Gate } from '../../auth/decide.js';
import type { Jwk } from '../../auth/algorithms.js';
import { type KeyEntry, decideRecord, entryFingerprint, recordOf, type KeyRecord } from '../../auth/key_record.js';
import { parseKeyFile } from '../../auth/key_file.js';
import { askedSettings, parseLocationSettings, type LocationSettings } from '../../auth/location_settings.js';
import { refuse, refusePrincipal, type Verdict } from '../../auth/verdict.js';
import { nodePlatform } from '../../node/crypto.js';
import { certificateLines, certificateTexts, thumbprints } from './certificates.js';
import { further, headersOf, variablesOf, type Headers } from './credential_places.js';
import { askNginx, openContext, shared, type Context, type FindHashed } from './njs_in_node.js';
import { Choices, makeKeyPair, signTexts, type KeyPair } from './token_generator.js';

const questions = 4000;
const secret = 'secret-of-the-fingerprints';
const startMs = 1_800_000_000_000;
const sha256 = (key: string) => `$sha256$${nodePlatform.sha256(key)}`;
const generated = (id: string) => `kg_${id}_${'s'.repeat(43)}`;
const hash = (key: string) => hashSync(key, 4);

// A key, and its line without attributes.
const keyLines: [key: string, line: string][] = [
  ['plain-key-of-the-test', 'plain-key-of-the-test'],
  ['digest-key', `digest:${sha256('digest-key')}`],
  ['digest-key-2', `digest2:${sha256('digest-key-2')}`],
  ['hashed-key', `hashed:${hash('hashed-key')}`],
  ['hashed-key-2', `hashed2:${hash('hashed-key-2')}`],
  [generated('Ab3dE6gH'), `named:${hash(generated('Ab3dE6gH'))} id=Ab3dE6gH`],
  ['like.a.token', `dotted:${sha256('like.a.token')}`],
  ...certificateLines,
];
const otherCredentials = [
  'wrong-key',
  generated('Zz3dE6gH'),
  'hashed-keyx',
  'w'.repeat(80),
  'a b',
  'é',
  'x'.repeat(12289),
  'a.b.c',
  '..',
  '',
];

const certificates = certificateTexts(startMs);
const off = ['hide_token_route', 'rate_limit_key', 'client_certificates'];
const settingsOf = (given: { [name: string]: string }) =>
  askedSettings
    .map((name) => given[name] ?? (off.includes(name) ? 'off' : name.endsWith('burst') ? '0' : ''))
    .join('\t');
const locations = ['', 'one', 'any'].flatMap((audience) =>
  ['', 'models', 'models chat'].flatMap((scope) =>
    ['0', '5'].map((leeway) =>
      settingsOf({
        credential_headers: scope === 'models' ? further : '',
        jwt_audience: audience,
        jwt_issuer: 'https://issuer.example,https://mint.example',
        jwt_leeway: leeway,
        require_scope: scope,
        hide_token_route: scope === '' ? 'on' : 'off',
        client_certificates: leeway === '0' ? 'on' : 'off',
      }),
    ),
  ),
);

interface Line {
  key: string;
  line: string;
  isThere: boolean;
  scope: string;
  expiresMs: number | undefined;
}

/** What both sides know. */
interface World {
  nowMs: number;
  lines: Line[];
  entries: KeyEntry[];
  isAvailable: boolean;
  local: KeyPair[];
  denied: { jtis: { [jti: string]: true }; kids: { [kid: string]: true } };
}

const pairs = ['ES256', 'RS256', 'EdDSA'].map((alg) => makeKeyPair(alg));
const stranger = makeKeyPair('ES256');
const mintPair = makeKeyPair('ES256', 'kid-mint');
const jwkOf = (pair: KeyPair) => pair.jwk as unknown as Jwk;

const fingerprintOf = (entry: KeyEntry) => entryFingerprint(entry, secret, nodePlatform);
const rows = (world: World) => world.entries.map((entry) => recordOf(entry, fingerprintOf(entry)));
const bcryptMatches = new Map<string, boolean>();
function matches(credential: string, entry: KeyEntry): boolean {
  const name = `${credential} ${entry.hash}`;
  const known = bcryptMatches.get(name) ?? verifySync(credential, entry.hash);
  bcryptMatches.set(name, known);
  return known;
}

function findHashed(credential: string, world: World): KeyRecord | undefined {
  const id = parseKeyId(credential);
  const isIt = (entry: KeyEntry) => entry.kind === 'bcrypt' && entry.id === id && matches(credential, entry);
  return rows(world).find((_, i) => isIt(world.entries[i] as KeyEntry));
}

/** A gate that looks everything up each time. */
function freshGate(world: World, onHashed: () => void): Gate {
  const nowSeconds = world.nowMs / 1000;
  return {
    platform: nodePlatform,
    nowSeconds,
    hasKeys: () => world.isAvailable,
    findKey: (digest) =>
      rows(world).find((_, i) => world.entries[i]?.kind !== 'bcrypt' && world.entries[i]?.hash === digest),
    mayBeHashed: (credential) =>
      world.entries.some((entry) => entry.kind === 'bcrypt' && entry.id === parseKeyId(credential)),
    checkHashedKey: async (credential) => {
      onHashed();
      const record = findHashed(credential, world);
      return record === undefined ? refuse('unknown_key') : decideRecord(record, nowSeconds);
    },
    trustedKeys: () => ({
      minting: { issuer: 'https://mint.example', keys: [jwkOf(mintPair)] },
      unnamed: { keys: world.local.map(jwkOf), lacksJwks: false },
      providers: undefined,
      hasDenyList: true,
      hasEntries: () => world.isAvailable,
      isDeniedKid: (kid) => world.denied.kids[kid] === true,
      isDeniedJti: (jti) => world.denied.jtis[jti] === true,
      findEntry: (fingerprint) =>
        world.isAvailable
          ? rows(world).find((_, i) => fingerprintOf(world.entries[i] as KeyEntry) === fingerprint)
          : undefined,
    }),
    refreshJwks: () => Promise.resolve('none'),
    recall: () => undefined,
    remember: () => undefined,
  };
}

/** Reads what changed in the world into nginx's shared memory, as njs/keys does. */
let taken = 0;
function takeUp(world: World, context: Context): void {
  const text = world.lines
    .filter((one) => one.isThere)
    .map(
      ({ line, scope, expiresMs }) =>
        line +
        (scope && ` scope=${scope}`) +
        (expiresMs === undefined ? '' : ` expires=${new Date(expiresMs).toISOString()}`),
    );
  world.entries = parseKeyFile(
    text.filter((line) => !line.startsWith('plain-key-of-the-test ')).join('\n'),
    nodePlatform,
  ).entries;
  taken++;
  const storing = {
    generation: `keys-${taken}`,
    secret,
    platform: nodePlatform,
    nowMs: world.nowMs,
    isLatest: () => true,
    keepSources: () => true,
    isUsable: true,
  };
  expect(context.storeKeySet(world.entries, storing)).toBe('stored');
  if (!world.isAvailable) context.retireKeySet();
  const minting = { configured: true, issuer: 'https://mint.example', keys: [jwkOf(mintPair)] };
  context.writeState('minting', JSON.stringify(minting));
  context.writeState('local', JSON.stringify({ configured: true, keys: world.local.map(jwkOf) }));
  context.writeState('denied', JSON.stringify(world.denied));
  context.writeState('shared_denied', 'off');
  context.switchGeneration();
}

function changeWorld(world: World, choose: Choices): void {
  const line = choose.of(world.lines);
  const mark = String(choose.below(6));
  const kid = choose.of(pairs).kid;
  const pair = choose.of(pairs);
  choose.of([
    () => (line.isThere = !line.isThere),
    () => world.lines.forEach((one) => (one.isThere = true)),
    () => world.lines.forEach((one) => (one.expiresMs = undefined)),
    () => (line.scope = choose.of(['', 'models', 'chat', 'models,chat'])),
    () => (line.expiresMs = choose.of([undefined, world.nowMs + choose.below(9000)])),
    () => (world.isAvailable = choose.below(6) > 0),
    () =>
      (world.local = world.local.includes(pair) ? world.local.filter((one) => one !== pair) : [...world.local, pair]),
    () => (world.denied.jtis[mark] ? delete world.denied.jtis[mark] : (world.denied.jtis[mark] = true)),
    () => (world.denied.kids[kid] = true),
    () => Object.assign(world, { local: pairs, isAvailable: true, denied: { jtis: {}, kids: {} } }),
    () => Object.assign(world, { local: pairs, isAvailable: true, denied: { jtis: {}, kids: {} } }),
    () => undefined, // the same content again
  ])();
}

function makeToken(world: World, choose: Choices): string {
  const isMinted = choose.below(4) === 0;
  const pair = isMinted ? mintPair : choose.of([...pairs, ...pairs, ...pairs, stranger]);
  const nowSeconds = world.nowMs / 1000;
  const kid = choose.below(12) === 0 ? choose.of(['kid-nobody', undefined]) : pair.kid;
  const claims = {
    sub: `user-${choose.below(100)}`,
    iss: isMinted
      ? 'https://mint.example'
      : choose.below(10) === 0
        ? 'https://elsewhere.example'
        : 'https://issuer.example',
    aud: choose.of(['one', 'one', 'one', ['one', 'two'], 'two', undefined]),
    exp: nowSeconds + choose.of([choose.below(8000) / 1000, choose.below(8000) / 1000, 600, -choose.below(6)]),
    nbf: choose.of([undefined, undefined, undefined, undefined, nowSeconds + choose.below(9)]),
    scope: choose.of([undefined, 'models', 'chat', 'models chat']),
    jti: choose.of([undefined, String(choose.below(6))]),
    ...(choose.below(5) === 0 && { cnf: { 'x5t#S256': choose.of(thumbprints) } }),
    ...(isMinted && { key: choose.of([...world.entries.map(fingerprintOf), 'f'.repeat(22)]) }),
  };
  const token = signTexts(JSON.stringify({ alg: pair.alg, kid, typ: 'at+jwt' }), JSON.stringify(claims), pair);
  return choose.below(12) === 0 ? forge(token, choose) : token;
}

function forge(token: string, choose: Choices): string {
  const at = choose.below(token.length);
  return token.slice(0, at) + choose.of(['A', 'b', '.', '+']) + token.slice(at + 1);
}

const targets = [
  ...Array.from({ length: 40 }, () => '= localhost localhost /v1/models'),
  '= localhost localhost /x/token',
  '=root localhost localhost /',
  '= lo{calhost localhost /',
  '= localhost localhost /a\\b',
];

let contexts: Context[];

beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: startMs });
  contexts = [await openContext(true), await openContext(true), await openContext(false)];
});

afterAll(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function openWorld(): World {
  const lines = keyLines.map(([key, line], i) => ({
    key,
    line,
    isThere: true,
    scope: i % 2 === 0 ? '' : 'models',
    expiresMs: undefined,
  }));
  return {
    nowMs: startMs,
    lines,
    entries: [],
    isAvailable: true,
    local: pairs,
    denied: { jtis: {}, kids: {} },
  };
}

// Often to the very millisecond at which something ends.
function passTime(world: World, choose: Choices, ends: number[]): void {
  const next =
    ends.filter((endMs) => endMs > world.nowMs && endMs < world.nowMs + 10000).sort((a, b) => a - b)[0] ?? world.nowMs;
  const rest = Math.ceil(next - world.nowMs);
  world.nowMs += choose.of([0, 1, choose.below(50), choose.below(700), rest, Math.max(0, rest - 1)]);
  vi.setSystemTime(world.nowMs);
}

/** Who asks where: mostly somebody who has just asked, so that something is remembered. */
class Clients {
  private readonly recent: Pick<Asked, 'credential' | 'joined' | 'certificate'>[] = [];
  private readonly ended: number[] = [];
  private readonly tokens: string[];

  constructor(
    private readonly world: World,
    private readonly choose: Choices,
  ) {
    this.tokens = Array.from({ length: 12 }, () => makeToken(world, choose));
  }

  next(): Asked {
    const { choose } = this;
    const again = this.recent.length > 0 && choose.below(6) > 0;
    const { credential, joined, certificate: usual } = again ? choose.of(this.recent) : this.anew();
    const certificate = choose.below(12) > 0 ? usual : choose.of(certificates);
    const headers = headersOf(credential, choose.of(this.tokens), choose);
    return { credential, joined, headers, target: choose.of(targets), certificate };
  }

  private anew(): Pick<Asked, 'credential' | 'joined' | 'certificate'> {
    const { choose, world, tokens, recent } = this;
    const fresh = makeToken(world, choose);
    tokens[choose.below(tokens.length)] = fresh;
    const keys = keyLines.map(([key]) => key);
    const credential = choose.of(choose.of([keys, keys, tokens, [fresh], [fresh], otherCredentials, ['']]));
    const one = { credential, joined: choose.of(locations), certificate: choose.of(certificates) };
    recent.push(one);
    if (recent.length > 8) recent.shift();
    return one;
  }

  /** Moments at which something that was admitted ends, or will. */
  noteEnd(expiresSeconds: number | undefined): void {
    if (expiresSeconds === undefined) return;
    this.ended.push(expiresSeconds * 1000);
    if (this.ended.length > 8) this.ended.shift();
  }

  ends(): number[] {
    return [...this.ended, ...this.world.lines.flatMap(({ expiresMs }) => expiresMs ?? [])];
  }
}

interface Asked {
  credential: string;
  joined: string;
  headers: Headers;
  target: string;
  certificate: string;
}

function certificateOf({ certificate }: Asked, { takesCertificates }: LocationSettings) {
  if (certificate === '' || !takesCertificates) return undefined;
  return readCertificate(certificate, Date.now() / 1000, nodePlatform);
}

/** Asks a context of nginx. */
async function askContext(context: Context, asked: Asked, findHashed: FindHashed): Promise<Verdict> {
  const headers = variablesOf(asked.headers);
  const given = await askNginx(
    context,
    {
      keygate_settings: asked.joined,
      keygate_target: asked.target,
      keygate_certificate: asked.certificate,
      ...headers,
    },
    findHashed,
  );
  if (given.admitted) return given;
  const { reason, principal } = given;
  return principal === undefined ? refuse(reason) : refusePrincipal(reason, principal);
}

it.each([7519, 6750, 8725])(
  'the answer is that of a gate which remembers nothing (seed %i)',
  async (seed) => {
    const choose = new Choices(seed);
    const world = openWorld();
    vi.setSystemTime(world.nowMs);
    takeUp(world, contexts[0] as Context);
    const clients = new Clients(world, choose);
    const seen: { [outcome: string]: number } = {};
    const checked = { bySidecar: 0, withoutCache: 0 };
    const hitsBefore = shared.keygate_verdicts.hits;
    for (let i = 0; i < questions; i++) {
      if (choose.below(30) === 0) {
        changeWorld(world, choose);
        takeUp(world, choose.of(contexts));
      }
      if (choose.below(5) === 0) passTime(world, choose, clients.ends());
      if (choose.below(200) === 0) shared.keygate_verdicts.clear();
      const asked = clients.next();
      const bySidecar = (key: string) => (checked.bySidecar++, findHashed(key, world));
      const given = await askContext(choose.of(contexts), asked, bySidecar);
      const gate = freshGate(world, () => checked.withoutCache++);
      const settings = parseLocationSettings(asked.joined, {
        hasJwksUrl: false,
        sentHeaders: further,
      }) as LocationSettings;
      const headers = settings.credentialHeaders.length > 0 ? asked.headers : { ...asked.headers, further: '' };
      const certificate = () => certificateOf(asked, settings);
      const expected = await decide({ ...asked, headers, settings, isPreflight: () => false, certificate }, gate);
      expect(given, JSON.stringify({ i, asked, nowMs: world.nowMs })).toEqual(expected);
      const outcome = expected.admitted ? expected.principal.method : expected.reason;
      seen[outcome] = (seen[outcome] ?? 0) + 1;
      if (expected.admitted) clients.noteEnd(expected.principal.expiresSeconds);
    }
    expect(Object.keys(seen).length, JSON.stringify(seen)).toBeGreaterThan(24);
    for (const common of ['api_key', 'jwt', 'certificate', 'insufficient_scope', 'token_certificate'])
      expect(seen[common], common).toBeGreaterThan(20);
    expect(checked.bySidecar, 'something was remembered').toBeLessThan(checked.withoutCache * 0.8);
    expect(shared.keygate_verdicts.hits - hitsBefore).toBeGreaterThan(100);
  },
  120000,
);
