import { describe, expect, it } from 'vitest';
import { readCredential } from '../../auth/credential.js';
import { isPlain, parseQuestion, usualFileName } from '../../auth/question.js';

const settings = 'aud\niss\n30\nmodels\n\n';
type Sent = [apiKey: string, xApiKey: string, authorization: string];
const ask = (sent: Sent, start = '\non\n\n') => `${start}${settings}${sent.join('\n')}`;
const named = ([apiKey, xApiKey, authorization]: Sent) => ({ apiKey, xApiKey, authorization });
const parse = (sent: Sent, start?: string) => parseQuestion(ask(sent, start), named(sent));
const nameOf = (sent: Sent) => usualFileName(ask(sent), named(sent));

describe('parseQuestion', () => {
  it('takes a question apart', () => {
    expect(parse(['a', 'x', 'Bearer b'])).toEqual({
      isUsualTarget: true,
      isArmed: true,
      settings,
      headers: { apiKey: 'a', xApiKey: 'x', authorization: 'Bearer b' },
    });
  });

  it.each(['', 'off', 'ON', 'jwt', 'api_key'])('is not armed by %j', (armed) => {
    expect(parse(['', '', ''], `\n${armed}\n\n`)).toMatchObject({ isArmed: false });
  });

  it('does the same where the target is unusual or a decision was made before', () => {
    for (const start of ['unusual\non\n\n', '\non\nhttps://issuer\n', 'unusual\njwt\n\n'])
      expect(parse(['a', 'x', 'Bearer b'], start)).toEqual({
        isUsualTarget: start.startsWith('\n'),
        isArmed: start.includes('on'),
        settings,
        headers: { apiKey: 'a', xApiKey: 'x', authorization: 'Bearer b' },
      });
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
  it.each([[['', 'key', '']], [['key', '', '']], [['', '', 'Bearer key']]] as [Sent][])(
    'joins settings and credential of %j',
    (headers) => {
      expect(nameOf(headers)).toBe(`${settings}key`);
    },
  );

  it.each([
    [['a', 'b', '']],
    [['a', '', 'Bearer a']],
    [['', '', 'bearer key']],
    [['', '', 'Basic key']],
    [['', '', 'key']],
  ] as [Sent][])('leaves %j to the whole decision', (headers) => {
    expect(nameOf(headers)).toBeUndefined();
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
          const name = nameOf([apiKey, xApiKey, authorization]);
          if (name === undefined) continue;
          const credential = name.slice(settings.length);
          const read = readCredential({ apiKey, xApiKey, authorization });
          const isRead = 'credential' in read && read.credential === credential;
          expect(
            isRead || !/^[!-~]+$/.test(credential),
            JSON.stringify([apiKey, xApiKey, authorization]),
          ).toBe(true);
        }
  });
});
