// An attacker who spells a path so that the upstream's own /token is reached, or sends a strange Host.

import { describe, expect, it } from 'vitest';
import { readSnippet } from '../nginx/filled_snippets.js';
import { checkTarget, isUsualTarget, namesTokenRoute, usualTarget, usualTargetPattern } from '../../auth/target.js';

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

// The target as nginx joins it.
const conf = readSnippet('asking.conf');
const joined = /\$keygate_target \{[^}]*default "([^"]*)";/.exec(conf)?.[1] ?? '';

interface Sent {
  keygate_claimed_identity: string;
  http_host: string;
  host: string;
  request_uri: string;
}

const usual: Sent = {
  keygate_claimed_identity: '',
  http_host: 'localhost:5000',
  host: 'localhost',
  request_uri: '/v1/models',
};
const targetOf = (sent: Partial<Sent>) =>
  joined.replace(/\$(\w+)/g, (_, name: keyof Sent) => ({ ...usual, ...sent })[name]);
const check = (sent: Partial<Sent>, hidesTokenRoute = true) => {
  const target = targetOf(sent);
  // What nginx finds usual comes as `usual` (nginx/snippets/decision_server.conf).
  if (isUsualTarget(target))
    expect(checkTarget(usualTarget, { hidesTokenRoute })).toBe(checkTarget(target, { hidesTokenRoute }));
  return checkTarget(target, { hidesTokenRoute });
};

describe('checkTarget', () => {
  it.each([
    '/',
    '/v1/models',
    '/v1/messages?beta=true',
    '/v1/models/gpt-4.1/',
    '/v1/files/a:b@c',
    '/x?a=%2f&b=/../token',
    'http://x/v1',
  ])('lets %s pass', (request_uri) => {
    expect(check({ request_uri })).toBeUndefined();
  });

  it.each(['/v1\\models', '/v1#x', '/v1\x01', '/v1\x7f', '/v1 x'])('refuses the raw target %j', (request_uri) => {
    expect(check({ request_uri })).toBe('bad_target');
    expect(check({ request_uri }, false)).toBe('bad_target');
  });

  it.each(['a/b', 'a@b', 'ä', 'a\\b', 'a"b', 'a\tb'])('refuses the Host %j, also as nginx takes it', (host) => {
    expect(check({ http_host: host })).toBe('bad_host');
    expect(check({ host })).toBe('bad_host');
  });

  it.each(['a_b', 'a-b.example:8443', '[::1]:5000', ''])('takes the Host %j', (http_host) => {
    expect(check({ http_host })).toBeUndefined();
  });

  it.each([{ http_host: 'a b' }, { host: 'a b' }, { http_host: ' ' }])(
    'refuses a space, which would move the parts: %j',
    (sent) => {
      expect(check(sent)).toMatch(/^bad_(?:host|target)$/);
    },
  );

  it.each(['root', '0', '=', 'a b'])('refuses a request that claims to be %j, before all else', (claimed) => {
    const sent = { keygate_claimed_identity: claimed };
    expect(check(sent)).toBe('identity_header');
    expect(check({ ...sent, http_host: 'a/b', request_uri: '/token#' }, false)).toBe('identity_header');
  });

  it.each(['/token', '/TOKEN?y', '/x/tok%65n', '/%2574oken/', 'http://x/token', '/%74%6f%6b%65%6e'])(
    'hides %s where the location hides the token route, and only there',
    (request_uri) => {
      expect(check({ request_uri })).toBe('hidden_route');
      expect(check({ request_uri }, false)).toBeUndefined();
    },
  );

  it('refuses a question that holds no target: empty never means that a check is skipped', () => {
    expect(checkTarget('', { hidesTokenRoute: false })).toBe('bad_target');
  });

  it('finds hidden_route exactly for paths that name the route', () => {
    const pieces = [
      '/',
      '/',
      '.',
      '..',
      '%',
      '%2f',
      '%74',
      ';',
      '?',
      'token',
      'TOKEN',
      'Token',
      'tok',
      'en',
      'a',
      'v1',
      '_',
      '~',
      ':',
      '@',
      '&x=',
      '%23',
      '%2574',
    ];
    let seed = 20261125;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor((seed / 2147483648) * below);
    };
    let hidden = 0;
    for (let i = 0; i < 50000; i++) {
      const request_uri = `/${Array.from({ length: random(6) }, () => pieces[random(pieces.length)]).join('')}`;
      const names = namesTokenRoute(request_uri.replace(/\?.*/, ''));
      if (names) hidden++;
      expect(check({ request_uri }), request_uri).toBe(names ? 'hidden_route' : undefined);
    }
    expect(hidden).toBeGreaterThan(1000);
  });
});

describe('isUsualTarget', () => {
  it.each(['/', '/v1/models', '/v1/messages?beta=true', '/x?a=%2f&b=/../token', 'http://x/v1'])(
    'takes %s in',
    (request_uri) => {
      expect(isUsualTarget(targetOf({ request_uri }))).toBe(true);
      expect(isUsualTarget(targetOf({ request_uri, keygate_claimed_identity: 'root' }))).toBe(false);
    },
  );

  it.each(['/a%41', '/v1/count_tokens', '/TOKEN', '/x#', '/a b'])('leaves %s to a closer look', (request_uri) => {
    expect(isUsualTarget(targetOf({ request_uri }))).toBe(false);
  });

  it('has a pattern that can stand between quotes in nginx.conf, and that PCRE reads as JavaScript does', () => {
    expect(usualTargetPattern).not.toMatch(/["$](?!$)|\\\\|\\[^[\]x]/);
  });
});
