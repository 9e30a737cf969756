// Who is asked about what arrives in a location.

import { describe, expect, it } from 'vitest';
import { readConfiguration } from '../../../nginx/configuration/configuration.js';
import { askedIn, readLevels, readPath, withInner, type Level } from '../../../nginx/configuration/levels.js';

const dir = '/k';
const levels = (text: string) => withInner(readLevels(readConfiguration(text, dir)) as Level);
const last = (server: string) => levels(`http { server { ${server} } }`).at(-1) as Level;

describe('askedIn', () => {
  it.each([
    ['location / { }', 'nobody', ''],
    ['include /k/guard.conf; location / { }', 'keygate', 'guard.conf'],
    ['include /k/guard.conf; location / { location /a { location ~ b { } } }', 'keygate', 'guard.conf'],
    ['include /k/guard.conf; location / { include /k/open.conf; location /a { } }', 'open', ''],
    [
      'include /k/guard.conf; location / { include /k/open.conf; location /a { include /k/guard_location.conf; } }',
      'keygate',
      'guard_location.conf',
    ],
    [
      'include /k/guard.conf; location / { include /k/guard_access.conf; location /a { } }',
      'keygate',
      'guard_access.conf',
    ],
    ['include /k/guard.conf; location / { auth_request /mine; location /a { } }', 'other', ''],
    ['include /k/guard.conf; location / { auth_request "/_keygate_ask"; }', 'keygate', 'guard.conf'],
    ['include /k/guard.conf; location / { auth_request off; }', 'open', ''],
    ['location / { auth_request off; }', 'nobody', ''],
    [
      'include /k/guard.conf; location =/_keygate_ask_a { include /k/ask.conf; } location / { auth_request ' +
        '/_keygate_ask_a; }',
      'keygate',
      'guard.conf',
    ],
    ['include /k/locations.conf; location / { include /k/guard_location.conf; }', 'keygate', 'guard_location.conf'],
    ['include /k/locations.conf; location / { }', 'nobody', ''],
    ['include /other/guard.conf; location / { }', 'nobody', ''],
  ] as const)('reads %s as %s', (server, who, guard) => {
    expect(askedIn(last(server))).toMatchObject({ who, guard });
  });
});

describe('readLevels', () => {
  it('names each level as a person does', () => {
    const text =
      'http { server { server_name a b; listen 1; location = /x { } } server { listen 2; location /y { location ~ ' +
      'z { } } } }';
    expect(levels(text).map(({ name }) => name)).toEqual([
      'http',
      'server a b',
      'location = /x of server a b',
      'server 2',
      'location /y of server 2',
      'location ~ z of server 2',
    ]);
    expect(readLevels(readConfiguration('events {}', dir))).toBeUndefined();
  });
});

describe('readPath', () => {
  it.each([
    ['/a', '', '/a'],
    ['= /a', '=', '/a'],
    ['=/a', '=', '/a'],
    ['^~ /a', '^~', '/a'],
    ['^~/a', '^~', '/a'],
    ['~ a$', '~', 'a$'],
    ['~* "a b"', '~*', 'a b'],
    ['~*a', '~*', 'a'],
    ['@a', '@', '@a'],
  ])('reads %s', (words, modifier, path) => {
    expect(readPath(last(`location ${words} { }`))).toEqual({ modifier, path });
  });
});
