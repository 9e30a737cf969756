import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkTarget, namesTokenRoute } from '../../auth/target.js';

describe('namesTokenRoute', () => {
  it.each([
    '/token',
    '/TOKEN',
    '//token',
    '/token/',
    '/token//',
    '/./token',
    '/x/../token',
    '/token/.',
    '/token/x/..',
    '/tok%65n',
    '/tok%2565n',
    '/tok%252565n',
    '/%74%6f%6b%65%6e',
    '/x/..\\..\\token',
    '/x%5c..%5ctoken',
    '/token?x',
    '/token;jsessionid=1',
    '/token%3fx',
    '/token%23',
    '/token%3b%0ax',
    '/token%3F%0Ax',
    '/token;\u2028x',
    '/token%20',
    '/token%00',
    '/tok%0aen',
    '/api/token',
    '/a/b/token/',
    'token',
  ])('recognises %s', (path) => {
    expect(namesTokenRoute(path)).toBe(true);
  });

  it.each([
    '/',
    '',
    '/v1/models',
    '/v1/messages/count_tokens',
    '/tokens',
    '/token/x',
    '/tokenizer',
    '/x/token.json',
    '/token-1',
  ])('lets %s pass', (path) => {
    expect(namesTokenRoute(path)).toBe(false);
  });

  it('takes a path that is still encoded after five decodings for the route', () => {
    expect(namesTokenRoute('/a%2525252525252541')).toBe(true);
  });
});

describe('checkTarget', () => {
  const facts = { hosts: 'localhost:5000localhost', path: '/v1/models', rawTarget: '/v1/models' };

  it.each(['/v1\\models', '/v1#x', '/v1\x01', '/v1\x7f'])('refuses the raw target %j', (rawTarget) => {
    expect(checkTarget({ ...facts, rawTarget })).toBe('bad_target');
  });

  it.each(['a/b', 'a b', 'a_b', 'a@b', 'ä', 'a\\b'])('refuses the Host %j', (hosts) => {
    expect(checkTarget({ ...facts, hosts })).toBe('bad_host');
  });

  it('passes an unusual path that turns out harmless', () => {
    expect(checkTarget({ ...facts, path: '/a%41', rawTarget: '/a%2541?token' })).toBeUndefined();
  });

  it('refuses a path that names the token route, rewritten or raw', () => {
    expect(checkTarget({ ...facts, path: '/token', rawTarget: '/x' })).toBe('not_found');
    expect(checkTarget({ ...facts, path: '/x', rawTarget: '/token?y' })).toBe('not_found');
  });
});

describe('what $keygate_target finds usual', () => {
  const conf = readFileSync(join(import.meta.dirname, '../../nginx/snippets/http.conf'), 'utf8');
  const written = /^ {4}"~(\^.*)" "";$/m.exec(conf.slice(conf.indexOf('$keygate_target {')))?.[1] ?? '';
  const pattern = new RegExp(written.replace(/([*?])\+/g, '$1')); // JavaScript has no possessive quantifiers

  const pieces = ['/', '/', '.', '..', '%', '%2f', '%74', ';', '?', '#', '\\', ' ', 'token', 'TOKEN', 'Token', 'tok', 'en', 'a', 'v1', '_', '~', ':', '@', '\x01', 'ä', '&x=', '%23']; // prettier-ignore
  let seed = 20261125;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor((seed / 2147483648) * below);
  };
  const text = (count: number) => Array.from({ length: random(count) }, () => pieces[random(pieces.length)]).join(''); // prettier-ignore

  it('is passed by checkTarget, whatever the path, the raw target and the Host', () => {
    let usual = 0;
    for (let i = 0; i < 100000; i++) {
      const path = `/${text(5)}`;
      const rawTarget = `${random(20) === 0 ? 'http://x' : ''}/${text(5)}`;
      const host = random(20) === 0 ? text(3) : 'localhost:5000';
      if (!pattern.test(`${host} ${host} ${path} ${rawTarget}`)) continue;
      usual++;
      expect(checkTarget({ hosts: host + host, path, rawTarget }), `${host} ${path} ${rawTarget}`).toBeUndefined(); // prettier-ignore
    }
    expect(usual).toBeGreaterThan(3000);
  });

  it.each(['/', '/v1/models', '/v1/messages?beta=true', '/v1/models/gpt-4.1/', '/v1/files/a:b@c', '/x?a=%2f&b=/../token'])('takes %s in', (target) => {
    const path = target.replace(/\?.*/, '');
    expect(pattern.test(`localhost:5000 localhost ${path} ${target}`)).toBe(true);
  }); // prettier-ignore
});
