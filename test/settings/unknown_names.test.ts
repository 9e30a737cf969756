// An evaluator who misspells a setting: the start names it, and does not run without a check that was meant.

import { describe, expect, it } from 'vitest';
import { findUnknownNames } from '../../settings/unknown_names.js';

describe('findUnknownNames', () => {
  it.each([
    ['REQUIRE_SCOP', 'REQUIRE_SCOPE'],
    ['REQUIRE_SCOPES', 'REQUIRE_SCOPE'],
    ['JWT_ISUER', 'JWT_ISSUER'],
    ['JWKS_URI', 'JWKS_URL'],
    ['API_KEY_S', 'API_KEYS'],
    ['TRUSTED_PROXYES', 'TRUSTED_PROXIES'],
    ['API_KEYS_FIEL_HOST', 'API_KEYS_FILE_HOST'],
    ['NGINX_WORKER', 'NGINX_WORKERS'],
  ])('finds that %s is to be %s', (name, meant) => {
    expect(findUnknownNames({ [name]: 'x' })).toEqual({
      faults: [`${name}: no such setting: expected ${meant}`],
      warnings: [],
    });
  });

  it('warns of other names that begin like settings', () => {
    const { faults, warnings } = findUnknownNames({ JWT_SECRET: 'x', KEYGATE_DEBUG: '1', UPSTREAM_TIMEOUT: '3' });
    expect(faults).toEqual([]);
    expect(warnings.map((line) => line.split(' ')[0])).toEqual(['JWT_SECRET', 'KEYGATE_DEBUG', 'UPSTREAM_TIMEOUT']);
  });

  it('leaves alone what is a setting, is meant for others, or stands beside the setting that it resembles', () => {
    const env = { API_KEY_FILE: 'x', LISTEN_FDS: '3', PATH: '/bin', COMPOSE_FILE: 'x', JWKS_URL: 'y' };
    expect(findUnknownNames(env, Object.keys(env))).toEqual({ faults: [], warnings: [] });
    expect(findUnknownNames({ JWKS_URL: 'x', JWKS_URI: 'y' })).toMatchObject({
      faults: [],
      warnings: [expect.any(String)],
    });
  });

  it('takes a misspelling in the settings file for one, whatever it begins with', () => {
    expect(findUnknownNames({ LISTEN_PROT: '1' }, ['LISTEN_PROT']).faults).toHaveLength(1);
    expect(findUnknownNames({ LISTEN_PROT: '1' }).faults).toEqual([]);
  });
});
