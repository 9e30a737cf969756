import { describe, expect, it } from 'vitest';
import { readCredential } from '../../auth/credential.js';
import { isPlain, parseQuestion, usualFileName } from '../../auth/question.js';

const settings = 'aud\niss\n30\nmodels\n\n';
const ask = (headers: [apiKey: string, xApiKey: string, authorization: string], start = '\non\n\n') =>
  `${start}${settings}${headers.join('\n')}`;

describe('parseQuestion', () => {
  it('takes a question apart', () => {
    expect(parseQuestion(ask(['a', 'x', 'Bearer b']))).toEqual({
      isUsualTarget: true,
      isArmed: true,
      settings,
      headers: { apiKey: 'a', xApiKey: 'x', authorization: 'Bearer b' },
    });
  });

  it.each(['', 'off', 'ON', 'jwt', 'api_key'])('is not armed by %j', (armed) => {
    expect(parseQuestion(ask(['', '', ''], `\n${armed}\n\n`))).toMatchObject({ isArmed: false });
  });

  it('gives up where a setting holds a line feed', () => {
    expect(parseQuestion(ask(['', '', ''], '\non\n\n\n'))).toBeUndefined();
  });
});

describe('isPlain', () => {
  it('asks for a usual target, an armed location and no decision before', () => {
    expect(isPlain(ask(['', 'k', '']))).toBe(true);
    for (const start of [
      'unusual\non\n\n',
      '\n\n\n',
      '\njwt\n\n',
      '\non\nhttps://issuer\n',
      '\non\nforbidden\n',
    ])
      expect(isPlain(ask(['', 'k', ''], start)), start).toBe(false);
  });
});

describe('usualFileName', () => {
  it.each([[['', 'key', '']], [['key', '', '']], [['', '', 'Bearer key']]] as [[string, string, string]][])(
    'joins settings and credential of %j',
    (headers) => {
      expect(usualFileName(ask(headers))).toBe(`${settings}key`);
    },
  );

  it.each([
    [['a', 'b', '']],
    [['a', '', 'Bearer a']],
    [['', '', 'bearer key']],
    [['', '', 'Basic key']],
    [['', '', 'key']],
  ] as [[string, string, string]][])('leaves %j to the whole decision', (headers) => {
    expect(usualFileName(ask(headers))).toBeUndefined();
  });

  it('names no credential but the one that readCredential reads, or one that can never be admitted', () => {
    const values = [
      '',
      'k',
      'k, k',
      ' k',
      'k ',
      'a.b.c',
      'Bearer k',
      'Bearer  k',
      'Bearer k, k',
      'Basic x',
      'Bearer',
    ];
    for (const apiKey of values)
      for (const xApiKey of values)
        for (const authorization of values) {
          const name = usualFileName(ask([apiKey, xApiKey, authorization]));
          if (name === undefined) continue;
          const named = name.slice(settings.length);
          const read = readCredential({ apiKey, xApiKey, authorization });
          const isRead = 'credential' in read && read.credential === named;
          expect(isRead || !/^[!-~]+$/.test(named), JSON.stringify([apiKey, xApiKey, authorization])).toBe(
            true,
          );
        }
  });
});
