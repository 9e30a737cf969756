// An operator who names a protected resource, and a client that looks for its metadata as RFC 9728 says.

import { describe, expect, it } from 'vitest';
import { authorizationServers, formatMetadata, parseResource } from '../../auth/resource_metadata.js';

const wellKnown = '/.well-known/oauth-protected-resource';

describe('parseResource', () => {
  it.each([
    ['https://api.example', `https://api.example${wellKnown}`, [wellKnown]],
    ['https://api.example/', `https://api.example${wellKnown}`, [wellKnown]],
    ['https://api.example/mcp', `https://api.example${wellKnown}/mcp`, [wellKnown, `${wellKnown}/mcp`]],
    ['https://api.example/mcp/', `https://api.example${wellKnown}/mcp/`, [wellKnown, `${wellKnown}/mcp/`]],
    ['https://api.example:8443/a/b', `https://api.example:8443${wellKnown}/a/b`, [wellKnown, `${wellKnown}/a/b`]],
    ['https://10.0.0.1/a', `https://10.0.0.1${wellKnown}/a`, [wellKnown, `${wellKnown}/a`]],
    ['https://[fd00::1]:1/a', `https://[fd00::1]:1${wellKnown}/a`, [wellKnown, `${wellKnown}/a`]],
    ['https://a/~b._-9', `https://a${wellKnown}/~b._-9`, [wellKnown, `${wellKnown}/~b._-9`]],
  ])('finds the metadata of %s', (text, url, paths) => {
    expect(parseResource(text)).toEqual({ url, paths });
    expect(new URL(url).href).toBe(url);
  });

  it.each([
    ['nothing', ''],
    ['no URL', 'api.example'],
    ['http', 'http://api.example'],
    ['a scheme in capitals', 'HTTPS://api.example'],
    ['no host', 'https:///mcp'],
    ['a port that is none', 'https://api.example:/mcp'],
    ['a port of six digits', 'https://api.example:123456'],
    ['a port that no URL has', 'https://api.example:65536'],
    ['a dot segment', 'https://api.example/a/../b'],
    ['a dot segment at the end', 'https://api.example/a/.'],
    ['two slashes', 'https://api.example//a'],
    ['a user', 'https://user@api.example'],
    ['a user and a password', 'https://a:1@api.example/'],
    ['a query', 'https://api.example/mcp?a=b'],
    ['an empty query', 'https://api.example/mcp?'],
    ['a fragment', 'https://api.example/mcp#a'],
    ['an escape', 'https://api.example/%6dcp'],
    ['a quote, which would end a challenge', 'https://api.example/"'],
    ['a semicolon, which would end a directive', 'https://api.example/a;return'],
    ['a brace', 'https://api.example/{a}'],
    ['a variable of nginx', 'https://api.example/$host'],
    ['a variable in place of the host', 'https://$host/'],
    ['a backslash', 'https://api.example\\evil.example/'],
    ['a space', 'https://api.example/a b'],
    ['a space around it', ' https://api.example'],
    ['a line end', 'https://api.example/\n'],
    ['a header', 'https://api.example/\r\nX-Evil: 1'],
    ['NUL', 'https://api.example/\0'],
    ['a letter beyond ASCII', 'https://ápi.example/'],
    ['several', 'https://a.example,https://b.example'],
    ['a host in two brackets', 'https://[fd00::1]]/'],
    ['a name in brackets', 'https://[api.example]/'],
  ])('takes no text with %s', (_, text) => {
    expect(parseResource(text)).toBeUndefined();
  });

  it('takes 160 characters, and no more', () => {
    const text = `https://api.example/${'p'.repeat(140)}`;
    expect(parseResource(text)).toHaveProperty('url', `https://api.example${wellKnown}/${'p'.repeat(140)}`);
    expect(parseResource(`${text}p`)).toBeUndefined();
    expect(parseResource(`https://api.example${'/'.repeat(1000000)}"`)).toBeUndefined();
  });
});

describe('formatMetadata', () => {
  const settings = { resource: 'https://api.example/mcp', servers: ['https://a.example'], requiredScopes: ['b', 'c'] };
  const read = (changed: Partial<Parameters<typeof formatMetadata>[0]>) =>
    JSON.parse(formatMetadata({ ...settings, ...changed })) as object;
  const always = { resource: settings.resource, bearer_methods_supported: ['header'] };

  it('says whose tokens are taken, and with which scopes', () => {
    expect(read({})).toEqual({ ...always, authorization_servers: ['https://a.example'], scopes_supported: ['b', 'c'] });
  });

  // RFC 9728 section 3.2: a member without values is left out.
  it('leaves out what it can not say', () => {
    expect(read({ servers: [], requiredScopes: [] })).toEqual(always);
    expect(read({ servers: 'any', requiredScopes: [] })).toEqual(always);
    expect(read({ servers: ['accounts.example'], requiredScopes: [] })).toEqual(always);
  });

  it('writes scopes with quotes as JSON', () => {
    expect(read({ requiredScopes: ['a"b', '\\'] })).toMatchObject({ scopes_supported: ['a"b', '\\'] });
  });
});

describe('authorizationServers', () => {
  it('keeps the URLs among issuers, in their order', () => {
    const named = [
      'accounts.example',
      'https://b.example',
      'http://c.example',
      'any',
      'https://a.example/',
      'xhttps://',
    ];
    expect(authorizationServers(named)).toEqual(['https://b.example', 'https://a.example/']);
    expect(authorizationServers('any')).toEqual([]);
    expect(authorizationServers([])).toEqual([]);
  });
});
