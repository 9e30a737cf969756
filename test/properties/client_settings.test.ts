// Texts of an operator or a client, changed anywhere: what is taken of them can end no directive, no header and no
// challenge, has no other meaning, and brings no key to an upstream.

import { describe, expect, it } from 'vitest';
import {
  keepSubprotocols,
  noSubprotocol,
  parseHeaderNames,
  readSubprotocolKey,
  subprotocolHeader,
} from '../../auth/credential_headers.js';
import { parseResource } from '../../auth/resource_metadata.js';
import { Choices } from './token_generator.js';

const seeds = [1, 2, 3, 4];
const odd = [
  '\0',
  '\t',
  '\n',
  '\r\n',
  '\v',
  '\u00a0',
  '\u2028',
  '\ud800',
  'é',
  '\u212a',
  '\u0130',
  '"',
  "'",
  '\\',
  '$',
  ';',
  '{',
  '}',
];
const usual = ['a', 'Z', '0', '-', '_', '.', '/', ':', ',', ' ', '?', '#', '%2e', '@', '[', ']', '~', '*'];

function mutate(text: string, choose: Choices, pieces: string[]): string {
  const at = choose.below(text.length + 1);
  return text.slice(0, at) + choose.of(['', ...pieces]) + text.slice(at + choose.below(3));
}

describe.each(seeds)('with the seed %i', (seed) => {
  it('parseResource takes no text but its own URL, of harmless characters', () => {
    const choose = new Choices(seed);
    const good = [
      'https://api.example',
      'https://api.example/',
      'https://api.example:8443/mcp/v1',
      'https://[fd00::1]/~a',
    ];
    let taken = 0;
    for (let i = 0; i < 5000; i++) {
      let text = choose.of(good);
      for (let times = choose.below(4); times > 0; times--)
        text = mutate(text, choose, [...usual, ...odd, '/'.repeat(150)]);
      const parsed = parseResource(text);
      if (parsed === undefined) continue;
      taken++;
      expect(text, JSON.stringify(text)).toMatch(/^https:\/\/[A-Za-z0-9.:/~_[\]-]{1,152}$/);
      const [, origin = '', path = ''] = /^(https:\/\/[^/]+)(.*)$/s.exec(text) ?? [];
      const [first = '', ...more] = parsed.paths;
      expect(first).toBe('/.well-known/oauth-protected-resource');
      expect(more).toEqual(path === '' || path === '/' ? [] : [first + path]);
      expect(parsed.url).toBe(origin + (more[0] ?? first));
    }
    expect(taken).toBeGreaterThan(500);
  });

  it('parseHeaderNames takes none but a few names that HTTP and nginx have no use for', () => {
    const choose = new Choices(seed);
    const reserved = [
      'Authorization',
      'Host',
      'cookie',
      'X-Forwarded-For',
      'content-length',
      'X-Auth-User',
      'te',
      'sec-a',
    ];
    const good = [
      'X-Goog-Api-Key',
      'Cf-Access-Jwt-Assertion',
      'sec-websocket-protocol',
      'a',
      'b',
      'token',
      ...reserved,
    ];
    let taken = 0;
    for (let i = 0; i < 5000; i++) {
      const many = [...'abcdefghijkl'].slice(choose.below(12));
      const listed = choose.below(4) === 0 ? many : [choose.of(good), choose.of(good)].slice(choose.below(2));
      let text = listed.join(choose.of([',', ', ', ' ,', ',,']));
      for (let times = choose.below(3); times > 0; times--) text = mutate(text, choose, [...usual, ...odd]);
      const names = parseHeaderNames(text);
      if (names === undefined) continue;
      taken++;
      expect(names.length, text).toBeLessThanOrEqual(8);
      expect(new Set(names).size, text).toBe(names.length);
      for (const name of names) {
        expect(name, JSON.stringify(text)).toMatch(/^[a-z][a-z0-9-]{0,63}$/);
        expect(
          reserved.map((one) => one.toLowerCase()),
          text,
        ).not.toContain(name);
        if (name.startsWith('sec-')) expect(name).toBe(subprotocolHeader);
        expect(name).not.toMatch(/^(?:x-forwarded|x-keygate|x-auth-claim|content|if|proxy|accept)(?:-|$)/);
      }
      expect(parseHeaderNames(names.join(','))).toEqual(names);
    }
    expect(taken).toBeGreaterThan(500);
  });

  const prefix = 'openai-insecure-api-key.';
  const inAnyCase = (text: string, choose: Choices) =>
    text.replace(/[a-z]/g, (one) => (choose.below(3) === 0 ? one.toUpperCase() : one));

  it('keepSubprotocols lets no key through, in any spelling', () => {
    const choose = new Choices(seed);
    const key = 'SECRET-of-a-page';
    const around = [
      '',
      '',
      '',
      ' ',
      '\t',
      ' \t ',
      '"',
      "'",
      '\v',
      '\u00a0',
      ';',
      '=',
      'x.',
      '(',
      '\\',
      'a b ',
      '\ufeff',
      '\ud800',
    ];
    const beside = ['realtime', 'openai-beta.realtime-v1', 'v1', '', '"q"', 'a b', 'openai-insecure-api-key', 'é'];
    let found = 0;
    for (let i = 0; i < 5000; i++) {
      const spelled = Array.from({ length: 1 + choose.below(2) }, () => {
        const start = choose.of(around);
        return start + inAnyCase(prefix, choose) + choose.of(['', '', `${prefix}`, '.']) + key + choose.of(around);
      });
      const offered = [...spelled, ...Array.from({ length: choose.below(4) }, () => choose.of(beside))];
      offered.sort(() => choose.below(3) - 1);
      const value = offered.join(choose.of([',', ', ', ' ,\t']));
      const kept = keepSubprotocols(value);
      expect(kept, JSON.stringify(value)).not.toBe('');
      expect(kept.toLowerCase()).not.toContain('insecure-api-key.');
      expect(kept).not.toContain(key);
      const names = kept === noSubprotocol ? [] : kept.split(', ');
      for (const name of names) {
        expect(name).toMatch(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/);
        expect(beside).toContain(name);
      }
      expect(names).toEqual(offered.filter((one) => names.includes(one)));
      if (readSubprotocolKey(value) === key) found++;
    }
    expect(found).toBeGreaterThan(200);
  });

  it('keepSubprotocols changes nothing that has no key', () => {
    const choose = new Choices(seed);
    for (let i = 0; i < 2000; i++) {
      let value = choose.of(['realtime, v1', 'openai-insecure-api-key', 'a', '', `x.openai-insecure_api-key.KEY`]);
      for (let times = choose.below(4); times > 0; times--) value = mutate(value, choose, [...usual, ...odd]);
      if (value.toLowerCase().includes(prefix)) continue;
      expect(keepSubprotocols(value), JSON.stringify(value)).toBe('');
      expect(readSubprotocolKey(value)).toBe('');
    }
  });
});
