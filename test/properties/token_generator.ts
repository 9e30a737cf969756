// Tokens without number for the differential tests: valid ones of each algorithm, and each way in which one can be
// wrong. The same seed gives the same choices; keys and signatures are made anew.

import { constants, createHmac, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';

export const issuer = 'https://issuer.example';
export const audience = 'keygate-test';

export interface KeyPair {
  alg: string;
  kid: string;
  privateKey: KeyObject;
  jwk: { [member: string]: unknown };
}

export interface Generated {
  token: string;
  /** Which mutation made it. */
  mutation: string;
  alg: string;
}

const hashes: { [alg: string]: string } = { 256: 'sha256', 384: 'sha384', 512: 'sha512' };
const curves: { [alg: string]: string } = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };

export const algorithmNames = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
];

/** Makes a key pair; its JWK names kid and alg. */
export function makeKeyPair(alg: string, kid = `kid-${alg}`): KeyPair {
  const { privateKey, publicKey } = generate(alg);
  return { alg, kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg } };
}

function generate(alg: string): { privateKey: KeyObject; publicKey: KeyObject } {
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519');
  if (alg.startsWith('ES')) return generateKeyPairSync('ec', { namedCurve: curves[alg] as string });
  return generateKeyPairSync('rsa', { modulusLength: 2048 });
}

/** Signs texts as they are (RFC 7515 section 5.1). */
export function signTexts(header: string, payload: string, pair: KeyPair): string {
  const text = `${encode(header)}.${encode(payload)}`;
  return `${text}.${signature(text, pair).toString('base64url')}`;
}

function signature(text: string, { alg, privateKey }: KeyPair): Buffer {
  const data = Buffer.from(text);
  if (alg === 'EdDSA') return sign(null, data, privateKey);
  const hash = hashes[alg.slice(2)] as string;
  if (alg.startsWith('ES')) return sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' });
  if (alg.startsWith('RS')) return sign(hash, data, privateKey);
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return sign(hash, data, { key: privateKey, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url');
}

/** A source of choices that a seed decides (xorshift32). */
export class Choices {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0 || 1;
  }

  below(limit: number): number {
    this.state ^= this.state << 13;
    this.state ^= this.state >>> 17;
    this.state ^= this.state << 5;
    return (this.state >>> 0) % limit;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

/** What a mutation works on. */
export interface Base {
  pair: KeyPair;
  /** All pairs whose public keys are trusted. */
  trusted: KeyPair[];
  /** Pairs of nobody, with kids that are trusted. */
  strangers: KeyPair[];
  header: { [name: string]: unknown };
  claims: { [name: string]: unknown };
  nowSeconds: number;
  choose: Choices;
}

type Mutation = (base: Base) => string;

const signed = (base: Base, header: object, claims: object, pair = base.pair): string =>
  signTexts(JSON.stringify({ ...base.header, ...header }), JSON.stringify({ ...base.claims, ...claims }), pair);
const claims =
  (values: (base: Base) => object): Mutation =>
  (base) =>
    signed(base, {}, values(base));
const header =
  (values: (base: Base) => object): Mutation =>
  (base) =>
    signed(base, values(base), {});
const oneOf = (name: string, values: unknown[]): Mutation => claims(({ choose }) => ({ [name]: choose.of(values) }));
const typed = (values: unknown[]): Mutation => header(({ choose }) => ({ typ: choose.of(values) }));
const text =
  (change: (token: string, choose: Choices) => string): Mutation =>
  (base) =>
    change(signed(base, {}, {}), base.choose);
const parts = (change: (parts: [string, string, string], choose: Choices) => string[]): Mutation =>
  text((token, choose) => change(token.split('.') as [string, string, string], choose).join('.'));
const bytes =
  (change: (signature: Buffer, base: Base) => Buffer): Mutation =>
  (base) => {
    const [head, body, last] = signed(base, {}, {}).split('.') as [string, string, string];
    return `${head}.${body}.${change(Buffer.from(last, 'base64url'), base).toString('base64url')}`;
  };

const deep = (levels: number): unknown => (levels === 0 ? 1 : { a: deep(levels - 1) });
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Every way to make a token, by name. `valid` ones hold, by any reading. */
export const mutations: { [name: string]: Mutation } = {
  valid: claims(() => ({})),
  'valid: audience list': claims(() => ({ aud: ['other', audience] })),
  'valid: within leeway': claims(({ nowSeconds }) => ({ exp: nowSeconds - 20, nbf: nowSeconds + 20 })),
  'valid: fractions': claims(({ nowSeconds }) => ({ exp: nowSeconds + 60.5, iat: nowSeconds - 0.25 })),
  'valid: typ': typed(['JWT', 'jwt', 'at+jwt', 'application/at+jwt', 'APPLICATION/JWT']),
  'valid: no kid': header(() => ({ kid: undefined })),
  'valid: any subject': oneOf('sub', ['', 'é', 'a b', '%41', '日本', '"quoted"', '\\', '<script>']),
  'valid: member of the prototype': claims(() => ({ constructor: 1, toString: 2, hasOwnProperty: 3 })),
  'valid: white space in JSON': ({ header: head, claims: body, pair }) =>
    signTexts(JSON.stringify(head, null, 2), JSON.stringify(body, null, '\t'), pair),

  'exp past': claims(({ nowSeconds, choose }) => ({ exp: nowSeconds - 30 - choose.below(100000) })),
  'exp missing': claims(() => ({ exp: undefined })),
  'exp of another type': oneOf('exp', ['4102444800', null, true, [4102444800], {}]),
  'exp out of range': oneOf('exp', [-1, 1e300, 2 ** 53 + 2]),
  'nbf future': claims(({ nowSeconds, choose }) => ({ nbf: nowSeconds + 31 + choose.below(100000) })),
  'nbf of another type': oneOf('nbf', ['0', null, false, []]),
  'nbf out of range': oneOf('nbf', [-1, -1e20]),
  'iat future': claims(({ nowSeconds, choose }) => ({ iat: nowSeconds + 31 + choose.below(100000) })),
  'iat of another type': oneOf('iat', ['1', null, {}]),
  'iss of somebody else': oneOf('iss', ['https://issuer.example/', 'https://evil.example', '', ' ']),
  'iss missing or of another type': oneOf('iss', [undefined, null, 1, [issuer]]),
  'aud of somebody else': oneOf('aud', ['other', '', `${audience} `, ['other'], []]),
  'aud missing or of another type': oneOf('aud', [undefined, null, 1, { [audience]: true }]),
  'aud list with another type': oneOf('aud', [
    [audience, 1],
    [audience, null],
    [[audience], audience],
  ]),
  'sub that headers must not hold': oneOf('sub', ['a\r\nX-Evil: 1', 'a\u0000', '\u0085', '\ud800', 'x'.repeat(300)]),
  'sub of another type': oneOf('sub', [1, null, ['alice'], {}]),
  'valid: scope of another type': oneOf('scope', [1, ['a'], null, 'a\u0001', 'a"b']),
  'valid: scp of another type': oneOf('scp', [1, [1], { a: 1 }]),
  cnf: oneOf('cnf', [{ jkt: 'x' }, {}, null, 'x']),
  'jti of another type': oneOf('jti', [1, {}, []]),
  'payload too deep': claims(() => ({ deep: deep(20) })),
  'payload too large': claims(() => ({ pad: 'x'.repeat(10000) })),
  'doubled claim': (base) =>
    signTexts(JSON.stringify(base.header), `{"exp":1,${JSON.stringify(base.claims).slice(1, -1)},"exp":2}`, base.pair),
  'payload no object': ({ header: head, pair, choose }) =>
    signTexts(JSON.stringify(head), choose.of(['[]', '""', 'null', '1', '{}x', '', '{', '\ufeff{}']), pair),

  'typ of another use': typed(['dpop+jwt', 'secevent+jwt', 'JWS', '', 1, null]),
  crit: header(({ choose }) => ({ crit: choose.of([['exp'], ['b64'], [], 'exp', null]), exp: 1 })),
  'b64 or zip': header(({ choose }) => choose.of([{ b64: true }, { b64: false }, { zip: 'DEF' }])),
  'kid of nobody': header(({ choose }) => ({ kid: choose.of(['nobody', '__proto__', 'kid-rs256', '../../etc']) })),
  'kid of another type': header(({ choose }) => ({ kid: choose.of([1, null, '', ['kid-RS256'], {}]) })),
  'kid of another key': header(({ pair, trusted, choose }) => ({
    kid: choose.of(trusted.filter((one) => one.kid !== pair.kid)).kid,
  })),
  'alg of another key': header(({ pair, trusted, choose }) => ({
    alg: choose.of(trusted.filter((one) => one.alg !== pair.alg)).alg,
  })),
  'alg unknown': header(({ choose }) => ({
    alg: choose.of(['none', 'None', 'HS256', 'rs256', 'RS1', 'ES256K', '', null, 256, ['RS256'], 'toString']),
  })),
  'keys in the header': (base) => {
    const stranger = base.choose.of(base.strangers);
    const own = { jwk: stranger.jwk, jku: 'https://127.0.0.1:1/jwks.json', x5u: 'https://127.0.0.1:1/', x5c: ['AAAA'] };
    return signed(base, { ...own, alg: stranger.alg, kid: stranger.kid }, {}, stranger);
  },
  'header no object': ({ claims: body, pair, choose }) =>
    signTexts(choose.of(['[]', 'null', '"RS256"', '{', '{}']), JSON.stringify(body), pair),
  'signed by a stranger': (base) => {
    const stranger = base.strangers.find((one) => one.alg === base.pair.alg) as KeyPair;
    return signed(base, {}, {}, stranger);
  },
  'public key as HMAC secret': (base) => {
    const input = `${encode(JSON.stringify({ ...base.header, alg: 'HS256' }))}.${encode(JSON.stringify(base.claims))}`;
    const secret = JSON.stringify(base.pair.jwk);
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
  },

  'signature bit flipped': bytes((signature, { choose }) => {
    const at = choose.below(signature.length);
    signature[at] = (signature[at] as number) ^ (1 << choose.below(8));
    return signature;
  }),
  'signature of another length': bytes((signature, { choose }) =>
    choose.of([
      signature.subarray(1),
      signature.subarray(0, -1),
      Buffer.concat([Buffer.alloc(1), signature]),
      Buffer.concat([signature, Buffer.alloc(1)]),
      signature.subarray(0, 1),
    ]),
  ),
  'signature of zeros or ones': bytes((signature, { choose }) => signature.fill(choose.of([0, 255]))),
  'half the signature zero': bytes((signature, { choose }) => {
    const half = signature.length / 2;
    return choose.below(2) === 0 ? signature.fill(0, 0, half) : signature.fill(0, half);
  }),
  'signature in DER': (base) => {
    const input = signed(base, {}, {}).split('.').slice(0, 2).join('.');
    const hash = base.pair.alg === 'EdDSA' ? null : (hashes[base.pair.alg.slice(2)] as string);
    return `${input}.${sign(hash, Buffer.from(input), base.pair.privateKey).toString('base64url')}${base.pair.alg.startsWith('ES') ? '' : 'AA'}`;
  },
  'signature of another token': (base) => {
    const [head, body] = signed(base, {}, { jti: 'a' }).split('.') as [string, string];
    return `${head}.${body}.${signed(base, {}, { jti: 'b' }).split('.')[2] ?? ''}`;
  },

  'padding added': parts(([head, body, last], choose) =>
    choose.of([
      [`${head}=`, body, last],
      [head, body, `${last}==`],
      [head, `${body}=`, last],
    ]),
  ),
  'another alphabet': text((token) =>
    token
      .replace(/-/g, '+')
      .replace(/_/g, '/')
      .replace(/\.([^.]*)$/, '.+$1'),
  ),
  'white space within': text((token, choose) => insert(token, choose, choose.of([' ', '\t', '\n', '\r\n']))),
  'stray trailing bits': parts(([head, body, last], choose) => {
    const end = alphabet.indexOf(last.slice(-1));
    const stray = alphabet.charAt(end ^ 1);
    return choose.below(2) === 0 ? [head, body, last.slice(0, -1) + stray] : [head, `${body}A`, last];
  }),
  'an empty part': parts(([head, body, last], choose) =>
    choose.of([
      ['', body, last],
      [head, '', last],
      [head, body, ''],
    ]),
  ),
  'another number of parts': parts(([head, body, last], choose) =>
    choose.of([[head, body], [head, body, last, last], [head, '', body, last], [head]]),
  ),
  'a byte changed': text((token, choose) => {
    const at = choose.of([...token.matchAll(/[^.](?=[^.])/g)]).index; // a part's last one may hold stray bits only
    const other = choose.of([...alphabet].filter((one) => one !== token.charAt(at)));
    return token.slice(0, at) + other + token.slice(at + 1);
  }),
  'a byte dropped': text((token, choose) => {
    const at = choose.below(token.length);
    return token.slice(0, at) + token.slice(at + 1);
  }),
  'a byte added': text((token, choose) => insert(token, choose, choose.of([...alphabet, '%', '~', 'é', '\u0000']))),
  'header written anew': parts(([head, body, last]) => {
    const value = JSON.parse(Buffer.from(head, 'base64url').toString()) as object;
    return [encode(JSON.stringify(value, null, 1)), body, last];
  }),
};

function insert(token: string, choose: Choices, what: string): string {
  const at = 1 + choose.below(token.length - 1);
  return token.slice(0, at) + what + token.slice(at);
}

export interface KeyRing {
  trusted: KeyPair[];
  strangers: KeyPair[];
}

/** Makes the keys of a run. */
export function makeKeyRing(): KeyRing {
  const pairs = () => algorithmNames.map((alg) => makeKeyPair(alg));
  return { trusted: pairs(), strangers: pairs() };
}

/** Makes tokens: each mutation with each algorithm in turn, until there are `count`. */
export function* generateTokens(
  ring: KeyRing,
  about: { seed: number; count: number; nowSeconds: number },
): Generator<Generated> {
  const choose = new Choices(about.seed);
  const names = Object.keys(mutations);
  for (let i = 0; i < about.count; i++) {
    const mutation = names[i % names.length] as string;
    const pair = ring.trusted[Math.floor(i / names.length) % ring.trusted.length] as KeyPair;
    const { nowSeconds } = about;
    const base: Base = {
      pair,
      ...ring,
      header: { alg: pair.alg, kid: pair.kid, typ: 'JWT' },
      claims: { sub: `user-${i}`, iss: issuer, aud: audience, exp: nowSeconds + 600, iat: nowSeconds - 5 },
      nowSeconds,
      choose,
    };
    yield { token: (mutations[mutation] as Mutation)(base), mutation, alg: pair.alg };
  }
}
