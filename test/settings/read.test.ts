// An evaluator whose settings are wrong.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSettings, SettingsError } from '../../settings/read.js';
import { table } from '../../settings/table.js';

function faultsOf(env: { [name: string]: string }): string[] {
  try {
    readSettings(env);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

describe('readSettings', () => {
  it('has a default for everything that needs one, and takes an empty value as unset', () => {
    const settings = readSettings({ LISTEN_PORT: '', JWT_ALG: '  ' });
    expect(settings).toMatchObject({
      listenAddress: '127.0.0.1',
      listenPort: 5000,
      jwtAlg: 'RS256',
      jwtLeewaySeconds: 30,
      mintIssuer: 'keygate',
      rateLimitApi: { requests: 10, per: 's' },
      rateLimitAuth: { requests: 5, per: 'm' },
      corsPreflight: 'deny',
      bcryptQueue: 64,
    });
    expect(settings.bcryptThreads).toBeGreaterThan(0);
    expect(settings.upstreamUrl).toBeUndefined();
  });

  it.each([
    ['LISTEN_ADDRESS', ['0.0.0.0', '::1', '::'], ['localhost', '1.2.3', '999.1.1.1', '127.0.0.1;']],
    ['LISTEN_PORT', ['1', '65535'], ['0', '65536', '5000a', '-1', '0x10', '5e3']],
    [
      'UPSTREAM_URL',
      ['http://127.0.0.1:4141', 'https://api.example/v1'],
      [
        '127.0.0.1:4141',
        'ftp://x/',
        'http://u:p@x/',
        'http://x/#a',
        'http://x/?a=b',
        'http://x/;return',
        'http://$host/',
      ],
    ],
    [
      'JWKS_URL',
      ['https://issuer.example/jwks.json?p=b2c'],
      ['http://issuer.example/', 'https://issuer.example/ x', 'https:///'],
    ],
    ['JWT_LEEWAY', ['0', '9999'], ['10000', '1.5', '-1']],
    ['JWKS_TTL', ['10', '86400'], ['9', '0']],
    ['RATE_LIMIT_API', ['off', '10r/s', '5r/m'], ['10', '0r/s', '10r/h', '10r/s;', '1.5r/s']],
    [
      'TRUSTED_PROXIES',
      ['10.0.0.0/8', '10.0.0.1, ::1/128', '192.168.1.1'],
      ['10.0.0.0/33', 'proxy', '::1/129', '10.0.0.0/8/8', ''],
    ],
    ['REQUIRE_SCOPE', ['models chat'], ['a;b', 'a"b', 'a$b', 'a{b']],
    ['API_KEYS_FILE', ['/etc/keygate/keys.txt', 'keys.txt'], ['a b', 'a;b', '$x', 'a"b', 'a\nb']],
    ['JWT_ISSUER', ['https://a,https://b', 'any'], ['a b', 'a"', '$a', 'ü']],
    ['JWT_ALG', ['ES256', 'EdDSA'], ['HS256', 'rs256']],
    ['FORWARD_CREDENTIAL', ['on', 'off'], ['true', '1', 'ON']],
    ['VERIFIER_LISTEN', ['127.0.0.1:8081', '[::1]:8081'], ['8081', 'verifier:8081', '127.0.0.1:99999', '127.0.0.1']],
    ['BCRYPT_THREADS', ['1', '256'], ['0', '257']],
    ['METRICS_PORT', ['off', '1', '65535'], ['on', '0', '65536', 'OFF']],
    ['REDIS_PREFIX', ['keygate', 'a:b'], ['a b', 'a{b}', 'x'.repeat(65)]],
    ['REDIS_DOWN', ['share', 'closed'], ['open', 'SHARE']],
    ['NODE_NAME', ['node-1', 'a.example'], ['a b', 'a/b']],
  ])('checks %s', (name, good, bad) => {
    const others: { [name: string]: string } = name === 'JWKS_URL' ? { JWT_ISSUER: 'any', JWT_AUDIENCE: 'any' } : {};
    for (const value of good) expect(faultsOf({ ...others, [name]: value }), value).toEqual([]);
    for (const value of bad.filter((one) => one !== '')) {
      const faults = faultsOf({ ...others, [name]: value });
      expect(faults, value).toHaveLength(1);
      expect(faults[0]).toMatch(new RegExp(`^${name}: expected `));
    }
  });

  it('lists every fault at once, and never a value', () => {
    const faults = faultsOf({
      LISTEN_PORT: 'secret-1',
      JWT_ALG: 'secret-2',
      API_KEYS_FILE: 'secret 3',
      STATE_DIR: 'secret 4',
    });
    expect(faults).toHaveLength(4);
    expect(faults.join()).not.toContain('secret');
  });

  it.each([
    ['your-token-here', 'API_KEY'],
    ['changeme', 'API_KEY'],
    ['a.b.c', 'API_KEY'],
  ])('refuses the key %s', (key, name) => {
    expect(faultsOf({ [name]: key }).join()).toMatch(/^API_KEY: /);
  });

  it('wants another port for the metrics than for the gateway, where both listen on loopback', () => {
    const ports = { LISTEN_PORT: '7000', METRICS_PORT: '7000' };
    expect(faultsOf(ports)).toEqual(['METRICS_PORT: expected another port than LISTEN_PORT, or off']);
    expect(faultsOf({ ...ports, LISTEN_ADDRESS: '0.0.0.0' })).toHaveLength(1);
    expect(faultsOf({ ...ports, LISTEN_ADDRESS: '192.0.2.1' })).toEqual([]);
    expect(readSettings({}).isMetricsPortNamed).toBe(false);
    expect(readSettings({ METRICS_PORT: '9145' }).isMetricsPortNamed).toBe(true);
    expect(readSettings({ METRICS_PORT: 'off' }).metricsPort).toBe('off');
  });

  it('asks for a secret of 32 bytes where a store is set', () => {
    const dir = mkdtempSync(join(tmpdir(), 'keygate-'));
    const [short, long] = [join(dir, 'short'), join(dir, 'long')];
    writeFileSync(short, `${'x'.repeat(31)}\n`);
    writeFileSync(long, `${'x'.repeat(32)}\n`);
    const redis = { REDIS_URL: 'redis://127.0.0.1', NODE_NAME: 'a' };
    expect(faultsOf(redis).join()).toMatch(/^CLUSTER_SECRET_FILE: expected a file with 32 random bytes or more/);
    expect(faultsOf({ ...redis, CLUSTER_SECRET_FILE: short })).toHaveLength(1);
    expect(faultsOf({ ...redis, CLUSTER_SECRET_FILE: join(dir, 'none') })).toHaveLength(1);
    expect(faultsOf({ ...redis, CLUSTER_SECRET_FILE: long })).toEqual([]);
    expect(faultsOf({ ...redis, CLUSTER_SECRET_FILE: long, REDIS_KEY: '/k' })).toHaveLength(1);
    expect(readSettings({ ...redis, CLUSTER_SECRET_FILE: long }).cluster).toMatchObject({ nodeName: 'a' });
    expect(readSettings({}).cluster).toBeUndefined();
    rmSync(dir, { recursive: true });
  });

  it('refuses a burst that the rate does not give in a year, as a location does', () => {
    const burst = { RATE_LIMIT_KEY_BURST: '400' };
    const fault = 'RATE_LIMIT_KEY_BURST: expected no more than RATE_LIMIT_KEY gives in a year';
    expect(faultsOf({ ...burst, RATE_LIMIT_KEY: '1/d' })).toEqual([fault]);
    expect(faultsOf({ ...burst, RATE_LIMIT_KEY: '2/d' })).toEqual([]);
    expect(faultsOf(burst)).toEqual([]);
  });

  it('asks for issuer and audience, or the word any, where keys come from a URL', () => {
    const faults = faultsOf({ JWKS_URL: 'https://issuer.example/jwks.json' });
    expect(faults.map((fault) => fault.split(':')[0])).toEqual(['JWT_ISSUER', 'JWT_AUDIENCE']);
  });

  it("lets nobody else's keys verify our own issuer", () => {
    const jwks = { JWKS_PATH: '/x/jwks.json' };
    expect(faultsOf({ ...jwks, JWT_ISSUER: 'keygate' })).toHaveLength(1);
    expect(faultsOf({ ...jwks, JWT_ISSUER: 'https://a,me', MINT_ISSUER: 'me' })).toHaveLength(1);
    expect(faultsOf({ ...jwks, JWT_ISSUER: 'https://a' })).toEqual([]);
    expect(readSettings({ JWT_ISSUER: 'https://a,https://b' }).mintIssuer).toBe('https://a');
    expect(readSettings({ ...jwks, JWT_ISSUER: 'https://a' }).mintIssuer).toBe('keygate');
  });

  it('reads secrets from files that NAME_FILE names, and says when one is missing or doubled', () => {
    const dir = mkdtempSync(join(tmpdir(), 'keygate-settings-'));
    writeFileSync(join(dir, 'key'), 'from-a-file\n');
    expect(readSettings({ API_KEY_FILE: join(dir, 'key') }).apiKey).toBe('from-a-file');
    expect(faultsOf({ API_KEY_FILE: join(dir, 'missing') })).toEqual(['API_KEY_FILE: expected a readable file']);
    expect(faultsOf({ API_KEY_FILE: join(dir, 'key'), API_KEY: 'a-key' })).toHaveLength(1);
  });

  it('finds each default good', () => {
    for (const [name, setting] of Object.entries(table)) {
      const standard = (setting as { standard?: string }).standard;
      if (standard !== undefined) expect(setting.isValid(standard), name).toBe(true);
    }
  });
});
