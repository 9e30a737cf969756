import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from '../../settings/redis_url.js';

describe('parseRedisUrl', () => {
  it.each([
    ['redis://localhost', { addresses: [{ host: 'localhost', port: 6379 }], isTls: false, database: 0 }],
    ['redis://10.0.0.1:7000/3', { addresses: [{ host: '10.0.0.1', port: 7000 }], database: 3 }],
    ['rediss://[::1]:6380/', { addresses: [{ host: '::1', port: 6380 }], isTls: true }],
    ['redis://user:p%40ss@store', { user: 'user', password: 'p@ss' }],
    ['redis://:secret@store', { user: undefined, password: 'secret' }],
    ['unix:///run/redis.sock', { path: '/run/redis.sock', addresses: [] }],
    [
      'redis-sentinel://a,b:7001/2#main',
      {
        addresses: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 7001 },
        ],
        sentinelName: 'main',
        database: 2,
      },
    ],
    ['rediss-sentinel://a#main', { isTls: true, sentinelName: 'main' }],
  ])('reads %s', (text, expected) => {
    expect(parseRedisUrl(text)).toMatchObject(expected);
  });

  it.each([
    '',
    'localhost:6379',
    'http://localhost',
    'redis://',
    'redis://a,b',
    'redis://a:0',
    'redis://a:65536',
    'redis://a#main',
    'redis-sentinel://a',
    'redis://a/x',
    'redis://user@a',
    'redis://%zz:x@a',
    'redis://[1.2.3.4]',
    'unix://run/redis.sock',
  ])('takes %s for none', (text) => {
    expect(parseRedisUrl(text)).toBeUndefined();
  });
});
