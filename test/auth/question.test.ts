import { describe, expect, it } from 'vitest';
import { readCredential } from '../../auth/credential.js';
import { filedText, isPlain, parseQuestion, plainBeginning } from '../../auth/question.js';

const settings = 'aud\niss\n30\nmodels\n\n';
type Sent = [apiKey: string, xApiKey: string, authorization: string];
const ask = (sent: Sent, start = '\non\n\n') => `${start}${settings}${sent.join('\n')}`;
const named = ([apiKey, xApiKey, authorization]: Sent) => ({ apiKey, xApiKey, authorization });
const parse = (sent: Sent, start?: string) => parseQuestion(ask(sent, start), named(sent));
const textOf = (sent: Sent) => ask(sent).slice(plainBeginning.length);

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

describe('the text that a question is filed under', () => {
  it('is that of settings and credential where a credential comes as Bearer', () => {
    expect(textOf(['', '', 'Bearer key'])).toBe(filedText(settings, 'key'));
  });

  it('is that of no credential but the one that readCredential reads, or of one that can never be admitted', () => {
    const values = ['', 'k', 'k, k', 'k,', 'k, ', ' k', 'k ', 'a.b.c', 'Bearer k', 'Bearer  k', 'Bearer k, k', 'Bearer k,', 'Bearer a.b.c', 'Bearer  ', 'bearer k', 'Basic x', 'Bearer']; // prettier-ignore
    const prefix = filedText('', '');
    let read = 0;
    for (const apiKey of values)
      for (const xApiKey of values)
        for (const authorization of values) {
          const text = textOf([apiKey, xApiKey, authorization]);
          for (const jwks of ['', 'https://a.example/jwks', 'k', 'Bearer k']) {
            const ofSettings = `aud\niss\n30\nmodels\n${jwks}\n`;
            if (!text.startsWith(ofSettings + prefix)) continue;
            const credential = text.slice((ofSettings + prefix).length);
            const presented = readCredential({ apiKey, xApiKey, authorization });
            const isRead = jwks === '' && 'credential' in presented && presented.credential === credential;
            if (isRead) read++;
            const sent = JSON.stringify([apiKey, xApiKey, authorization, jwks]);
            expect(isRead || !/^[!-~]+$/.test(credential), sent).toBe(true);
          }
        }
    expect(read).toBeGreaterThan(2);
  });
});
