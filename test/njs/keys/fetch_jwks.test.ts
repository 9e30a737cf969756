// An issuer that nginx asks for metadata and keys: what is asked for, in which order, and what becomes of the answer.

import { beforeEach, describe, expect, it, vi } from 'vitest';
import { shared } from '../../properties/njs_in_node.js';
import { jwksOf, makeSigner } from '../../gateway/harness/tokens.js';

interface Answer {
  status?: number;
  body?: string | Uint8Array;
}
type Answering = Answer | Error | (() => Answer);

const issuer = 'https://idp.example/tenant';
const openId = `${issuer}/.well-known/openid-configuration`;
const oauth = 'https://idp.example/.well-known/oauth-authorization-server/tenant';
const keysUrl = 'https://keys.example/jwks';
const source = 'provider:corp';
const place = 'fetched from there';

const asked: { url: string; options: { [name: string]: unknown } }[] = [];
const logged: string[] = [];
let answers: { [url: string]: Answering } = {};
let keys = '';

async function fetchOf(url: string, options: { [name: string]: unknown }) {
  asked.push({ url, options });
  const found = answers[url] ?? { status: 404 };
  if (found instanceof Error) throw found;
  const { status = 200, body = '' } = typeof found === 'function' ? found() : found;
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  return {
    status,
    arrayBuffer: async () => bytes.slice().buffer,
    json: async () => JSON.parse(String(body)) as unknown,
  };
}

const urls = () => asked.map(({ url }) => url);
const state = (name: string) => shared.keygate_state.get(name);
const storedKids = () =>
  (JSON.parse((state(source) as string | undefined) ?? '{}') as { keys?: { kid: string }[] }).keys?.map(
    ({ kid }) => kid,
  );
const metadata = (changed: object = {}) => JSON.stringify({ issuer, jwks_uri: keysUrl, ...changed });

interface Fetching {
  variables: { [name: string]: string };
  untilMs: number;
  discoversAnew: boolean;
}
type FetchSet = (set: object, fetching: Fetching) => Promise<void>;
let fetchSet: FetchSet;

const corp = {
  source,
  label: 'provider corp',
  url: undefined as string | undefined,
  issuer,
  askedFor: undefined,
  place,
};
const run = (changed: object = {}, fetching: Partial<Fetching> = {}) =>
  fetchSet(
    { ...corp, ...changed },
    { variables: { keygate_jwks_ttl: '300' }, untilMs: Infinity, discoversAnew: true, ...fetching },
  );

beforeEach(async () => {
  shared.keygate_state.clear();
  shared.keygate_state.set(`place:${source}`, place);
  asked.length = 0;
  logged.length = 0;
  vi.stubGlobal('ngx', {
    shared,
    ERR: 4,
    WARN: 5,
    log: (_: number, text: string) => logged.push(text),
    fetch: fetchOf,
  });
  vi.stubGlobal('KEYGATE_QUICKJS', true);
  const file = '../../../njs/keys/fetch_jwks.ts';
  ({ fetchSet } = (await import(/* @vite-ignore */ file)) as { fetchSet: FetchSet });
  keys ||= jwksOf(await makeSigner('ES256', 'of-the-issuer'));
  answers = { [openId]: { body: metadata() }, [keysUrl]: { body: keys } };
});

describe('keys at a URL', () => {
  it('are stored, and the generation changes', async () => {
    await run({ url: keysUrl });
    expect(asked).toEqual([{ url: keysUrl, options: { headers: { Accept: 'application/json' } } }]);
    expect(storedKids()).toEqual(['of-the-issuer']);
    expect([state(`fetches:${source}`), logged]).toEqual(['1 ok', []]);
    expect(state('generation')).toBeDefined();
  });

  it.each([
    ['https://idp.example/keys?p=b2c_1&a=(b)', 'https://idp.example/keys?p=b2c_1&a=(b)'],
    ['https://idp.example/robot/a%40b.example', 'https://idp.example/robot/a%40b.example'],
    ['https://idp.example/a%2Fb%2f?c=%26%20%C3%A9', 'https://idp.example/a%2Fb%2f?c=%26%20%C3%A9'],
    ['https://idp.example/é', 'https://idp.example/%C3%A9'],
    ['https://idp.example/100%', 'https://idp.example/100%25'],
    ['https://idp.example/%ff%zz', 'https://idp.example/%ff%25zz'],
  ])('are asked for at %s as it is written, in ASCII', async (url, sent) => {
    answers = { [sent]: { body: keys } };
    await run({ url });
    expect([urls(), storedKids()]).toEqual([[sent], ['of-the-issuer']]);
  });

  it.each<[string, Answering, string]>([
    ['a redirect', { status: 302 }, 'expected status 200, got 302'],
    ['204', { status: 204, body: '' }, 'expected status 200, got 204'],
    ['an error', { status: 500 }, 'expected status 200, got 500'],
    ['more than 256 KB', { body: ' '.repeat(262145) }, 'more than 256 KB'],
    ['Latin-1', { body: new Uint8Array([0x22, 0xe9, 0x22]) }, 'not UTF-8'],
    ['no set', { body: '[]' }, 'not a JSON object'],
    ['an empty set', { body: '{"keys":[]}' }, 'no usable key'],
    ['nothing that can be reached', new Error('a\nb'), 'a b'],
    ['no name', new Error('no resolver defined to resolve idp.example'), 'add a `resolver` line'],
  ])('are not taken up from %s: the log says why, and that no key was loaded', async (_, answer, said) => {
    answers = { [keysUrl]: answer };
    await run({ url: keysUrl });
    expect(logged).toEqual([expect.stringMatching(/provider corp: [^\n]*; no key was loaded yet/)]);
    expect(logged[0]).toContain(said);
    expect([storedKids(), state(`fetches:${source}`)]).toEqual([undefined, '1 no']);
  });

  it('are taken up to 256 KB', async () => {
    answers = { [keysUrl]: { body: keys.padEnd(262144) } };
    await run({ url: keysUrl });
    expect(storedKids()).toEqual(['of-the-issuer']);
  });

  it('stay in use where a later fetch fails', async () => {
    await run({ url: keysUrl });
    answers = {};
    await run({ url: keysUrl });
    expect(storedKids()).toEqual(['of-the-issuer']);
    expect(logged).toEqual([expect.stringContaining('got 404; keys loaded before stay in use')]);
    expect(state(`fetches:${source}`)).toBe('2 no');
  });

  it('are asked for by https alone', async () => {
    await run({ url: 'http://idp.example/keys' });
    expect([urls(), storedKids()]).toEqual([[], undefined]);
  });

  it.each([
    ['good keys', { body: '' }],
    ['a failure', { status: 500 }],
  ])('are of no account where the provider has moved since: %s', async (_, answer) => {
    answers[keysUrl] = () => {
      shared.keygate_state.set(`place:${source}`, 'elsewhere');
      return 'body' in answer ? { body: keys } : answer;
    };
    await run({ url: keysUrl });
    expect([storedKids(), state(`fetches:${source}`), logged]).toEqual([undefined, undefined, []]);
  });
});

describe('keys that are discovered', () => {
  it('are where the metadata of OpenID Connect lead', async () => {
    await run();
    expect([urls(), storedKids()]).toEqual([[openId, keysUrl], ['of-the-issuer']]);
  });

  it.each([400, 401, 403, 404, 410])('are where those of OAuth lead, after a %i', async (status) => {
    answers = { ...answers, [openId]: { status }, [oauth]: { body: metadata() } };
    await run();
    expect([urls(), storedKids()]).toEqual([[openId, oauth, keysUrl], ['of-the-issuer']]);
  });

  it.each<[string, Answering]>([
    ['another issuer', { body: metadata({ issuer: `${issuer}/` }) }],
    ['another issuer, a list', { body: metadata({ issuer: [issuer] }) }],
    ['no issuer', { body: metadata({ issuer: undefined }) }],
    ['keys over http', { body: metadata({ jwks_uri: 'http://keys.example' }) }],
    ['keys behind a user', { body: metadata({ jwks_uri: 'https://a:b@keys.example/jwks' }) }],
    ['keys on a further line', { body: metadata({ jwks_uri: `${keysUrl}\r\nX: 1` }) }],
    ['no keys', { body: metadata({ jwks_uri: undefined }) }],
    ['two issuers', { body: `{"issuer":"${issuer}","issuer":"https://evil.example","jwks_uri":"${keysUrl}"}` }],
    ['no JSON', { body: '<html>' }],
    ['a redirect', { status: 301 }],
    ['an error of the server', { status: 503 }],
    ['no connection', new Error('timed out')],
  ])('are nowhere where the metadata are of %s', async (_, answer) => {
    answers = { ...answers, [openId]: answer, [oauth]: { body: metadata() } };
    await run();
    expect([urls(), storedKids(), state(`fetches:${source}`)]).toEqual([[openId], undefined, '1 no']);
    expect(logged).toHaveLength(1);
  });

  it('are asked for again without metadata while those are young, or where only keys are wanted', async () => {
    await run();
    shared.keygate_state.set(`discovered_ms:${source}`, String(Date.now() - 200000));
    await run();
    await run({}, { variables: { keygate_jwks_ttl: '0' }, discoversAnew: false });
    expect(urls()).toEqual([openId, keysUrl, keysUrl, keysUrl]);
    await run({}, { variables: { keygate_jwks_ttl: '0' } });
    expect(urls().slice(4)).toEqual([openId, keysUrl]);
  });

  it('are looked for anew after a failure: the issuer may have moved them', async () => {
    await run();
    answers[keysUrl] = { status: 404 };
    await run();
    answers[openId] = { body: metadata({ jwks_uri: 'https://new.example/' }) };
    answers['https://new.example/'] = { body: keys };
    await run();
    expect(urls()).toEqual([openId, keysUrl, keysUrl, openId, 'https://new.example/']);
    expect(state(`fetches:${source}`)).toBe('3 ok');
  });

  it.each([
    ['before the keys', {}, [openId]],
    ["before OAuth's metadata", { [openId]: { status: 404 } }, [openId]],
  ])('wait for the next tick where this one has no time left, %s', async (_, changed, sent) => {
    answers = { ...answers, ...changed };
    shared.keygate_state.set(`fetch_started_ms:${source}`, '1');
    await run({}, { untilMs: 0 });
    expect(urls()).toEqual(sent);
    expect([state('wanted'), state(`wanted:${source}`), state(`fetch_started_ms:${source}`)]).toEqual([
      '1',
      '1',
      undefined,
    ]);
    expect([storedKids(), state(`fetches:${source}`), logged]).toEqual([undefined, undefined, []]);
  });
});

describe('keys that the sidecar fetches', () => {
  const sidecar = { variables: { keygate_jwks_ttl: '300', keygate_sidecar: 'unix:/run/verifier.sock' } };
  const there = 'http://unix:/run/verifier.sock:/fetch';
  const ofSidecar = { askedFor: 'corp', url: keysUrl };

  it('are stored; the sidecar learns the provider and the URL', async () => {
    answers = { [there]: { body: JSON.stringify({ text: keys }) } };
    await run(ofSidecar, sidecar);
    expect(asked.map(({ url, options }) => [url, options['method'], JSON.parse(options['body'] as string)])).toEqual([
      [there, 'POST', { provider: 'corp', url: keysUrl }],
    ]);
    expect(storedKids()).toEqual(['of-the-issuer']);
  });

  it.each<[string, Answering, string]>([
    ['a fault', { body: JSON.stringify({ fault: 'credential: a\nb\u001b' }) }, 'provider corp: credential: a b'],
    ['another status', { status: 400, body: JSON.stringify({ text: '{}' }) }, 'the sidecar gave no answer'],
    ['a text that is none', { body: '{"text":7}' }, 'the sidecar gave no answer'],
    ['an array', { body: '[]' }, 'the sidecar gave no answer'],
    ['no JSON', { body: '<' }, 'the sidecar could not be asked: '],
    ['nothing', new Error('connect failed'), 'the sidecar could not be asked: connect failed'],
  ])('are not taken up where it answers %s', async (_, answer, said) => {
    answers = { [there]: answer };
    await run(ofSidecar, sidecar);
    expect(logged).toEqual([expect.stringContaining(said)]);
    expect(logged[0]).toMatch(/^[\x20-\x7e]+$/);
    expect(storedKids()).toBeUndefined();
  });

  it('are not asked for over TCP: it takes a secret there, which only requests send', async () => {
    await run(ofSidecar, { variables: { keygate_jwks_ttl: '300', keygate_sidecar: '127.0.0.1:8081' } });
    expect(urls()).toEqual([]);
    expect(logged).toEqual([expect.stringContaining('need the sidecar, on a Unix socket')]);
  });
});

describe('a connection that fails', () => {
  it.each<[string, Answering, string]>([
    ['the port is open', { status: 400 }, 'TLS handshake failed'],
    ['the port answers otherwise', new Error('invalid response'), 'TLS handshake failed'],
    ['the port is closed', new Error('connect failed'), 'connection refused, or no way to the host'],
  ])('is explained where %s', async (_, answer, said) => {
    for (const [url, plain] of [
      ['https://idp.example/keys?a', 'http://idp.example:443/'],
      ['https://idp.example:8443/keys', 'http://idp.example:8443/'],
    ] as const) {
      answers = { [url]: new Error('connect failed'), [plain]: answer };
      shared.keygate_state.clear();
      shared.keygate_state.set(`place:${source}`, place);
      await run({ url });
      expect(asked.pop()).toMatchObject({ url: plain, options: { method: 'HEAD' } });
      expect(logged.pop()).toContain(said);
    }
  });
});
