// A request with credentials in further headers, as nginx gives their values; and a client that mixes them up.

import { beforeAll, describe, expect, it, vi } from 'vitest';
import { askedSettings } from '../../../auth/location_settings.js';

type Variables = { [name: string]: string | undefined };
interface Asked {
  settings: string;
  further: string;
}
interface Source {
  requestId: (variables: Variables) => string | undefined;
}
let question: {
  askedSource: Source;
  ownSource: Source;
  readAsked: (variables: Variables, source: Source) => Asked;
  subprotocolsFor: (asked: Asked) => string;
  isPreflight: (source: Source, variables: Variables) => boolean;
};

beforeAll(async () => {
  vi.stubGlobal('KEYGATE_QUICKJS', true);
  const file = '../../../njs/decision/question.ts';
  question = (await import(/* @vite-ignore */ file)) as typeof question;
});

const settingsWith = (credentialHeaders: string) =>
  askedSettings.map((name) => (name === 'credential_headers' ? credentialHeaders : 'x')).join('\t');
const read = (credentialHeaders: string, variables: Variables) => {
  const settings = settingsWith(credentialHeaders);
  const { askedSource, ownSource, readAsked } = question;
  const asked = { ...readAsked({ ...variables, http_x_keygate_settings: settings }, askedSource) };
  expect(readAsked({ ...variables, keygate_settings: settings }, ownSource)).toEqual(asked);
  return asked;
};

const goog = 'http_x_goog_api_key';
const protocols = 'http_sec_websocket_protocol';
const both = 'X-Goog-Api-Key, sec-websocket-protocol';

describe('readAsked', () => {
  it('reads the headers that the location names, a line each, in their order', () => {
    const sent = { [goog]: 'a', [protocols]: 'b, c' };
    expect(read(both, sent).further).toBe('a\nb, c');
    expect(read('sec-websocket-protocol,x-goog-api-key', sent).further).toBe('b, c\na');
    expect(read(both, { [protocols]: 'b' }).further).toBe('\nb');
    expect(read(both, { [goog]: 'a' }).further).toBe('a\n');
  });

  it.each([
    ['names no header', '', { [goog]: 'a', [protocols]: 'b' }],
    ['names headers that are absent', both, {}],
    ['names headers that are empty', both, { [goog]: '', [protocols]: undefined }],
    ['names another header', 'x-other', { [goog]: 'a' }],
    ['has a list that is none', 'cookie', { http_cookie: 'a' }],
    ['has a list with one bad name', 'x-goog-api-key,cookie', { [goog]: 'a', http_cookie: 'a' }],
  ])('reads nothing further where the location %s', (_, names, sent) => {
    expect(read(names, sent).further).toBe('');
  });

  it('keeps nothing of the request before', () => {
    read(both, { [goog]: 'a', http_authorization: 'b', http_x_api_key: 'c', http_api_key: 'd' });
    expect(read(both, {})).toMatchObject({ authorization: '', xApiKey: '', apiKey: '', further: '' });
    expect(read('', { [goog]: 'a' }).further).toBe('');
  });
});

describe('subprotocolsFor', () => {
  const key = 'openai-insecure-api-key.KEY';
  const kept = (names: string, sent: Variables) => question.subprotocolsFor(read(names, sent));

  it.each<[string, string, Variables, string]>([
    ['a key among others', both, { [goog]: 'a', [protocols]: `realtime, ${key}` }, 'realtime'],
    ['a key alone', 'sec-websocket-protocol', { [protocols]: key }, ','],
    ['a key behind another first header', 'sec-websocket-protocol,x-goog-api-key', { [protocols]: `b,${key}` }, 'b'],
    ['no key', both, { [protocols]: 'realtime' }, ''],
    ['no subprotocol', both, { [goog]: key }, ''],
    ['nothing', both, {}, ''],
    ['a key where the location reads no subprotocols', 'x-goog-api-key', { [goog]: 'a', [protocols]: key }, ''],
  ])('has what the upstream gets of %s', (_, names, sent, expected) => {
    expect(kept(names, sent)).toBe(expected);
  });
});

describe('isPreflight', () => {
  it.each([
    ['https://a.example POST', true],
    ['null GET', true],
    [' POST', false],
    ['https://a.example ', false],
    ['', false],
    [undefined, false],
    [' ', false],
    ['a b c', false],
    ['a\tb', false],
  ])('takes %j for one: %s', (preflight, expected) => {
    const { askedSource, ownSource, isPreflight } = question;
    expect(isPreflight(askedSource, { http_x_keygate_preflight: preflight })).toBe(expected);
    expect(isPreflight(ownSource, { keygate_preflight: preflight })).toBe(expected);
  });
});
