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
  const facts = { flags: '', path: '/v1/models', rawTarget: '/v1/models' };

  it('passes what no flag marks', () => {
    expect(checkTarget(facts)).toBeUndefined();
  });

  it('refuses a raw target that was flagged', () => {
    expect(checkTarget({ ...facts, flags: 'target ' })).toBe('bad_target');
  });

  it('refuses a Host that was flagged', () => {
    expect(checkTarget({ ...facts, flags: 'host ' })).toBe('bad_host');
  });

  it('passes a suspect path that turns out harmless', () => {
    expect(checkTarget({ flags: 'suspect ', path: '/a%41', rawTarget: '/a%2541?token' })).toBeUndefined();
  });

  it('refuses a suspect path that names the token route, rewritten or raw', () => {
    expect(checkTarget({ flags: 'suspect ', path: '/token', rawTarget: '/x' })).toBe('not_found');
    expect(checkTarget({ flags: 'suspect ', path: '/x', rawTarget: '/token?y' })).toBe('not_found');
  });
});
