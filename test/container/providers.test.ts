// An operator who starts containers with a providers file: what is missing is said before anything starts.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findProviderFaults } from '../../container/providers.js';
import { readSettings } from '../../settings/read.js';

let dir = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'keygate-providers-'));
  chmodSync(dir, 0o755);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const file = (name: string, text = '', mode = 0o644) => {
  writeFileSync(join(dir, name), text);
  chmodSync(join(dir, name), mode);
};
const provider = (name: string, members: object) => ({
  name,
  issuer: `https://${name}.example`,
  audience: 'llm',
  ...members,
});
const withProviders = (...providers: object[]) => file('providers.json', JSON.stringify({ providers }));
const find = (env: { [name: string]: string } = {}) => {
  const all = { STATE_DIR: dir, JWT_PROVIDERS: join(dir, 'providers.json'), ...env };
  return findProviderFaults(readSettings(all), all);
};
const closed = (name: string, by: string) =>
  expect.stringMatching(new RegExp(`^JWT_PROVIDERS: ${name} can't be read by ${by} .*mode 0600$`)) as string;

describe('findProviderFaults', () => {
  it('finds none without a providers file, and none in files that both containers can read', () => {
    expect(findProviderFaults(readSettings({ STATE_DIR: dir }), {})).toEqual([]);
    file('corp.json');
    withProviders(provider('corp', { jwks: { file: 'corp.json' } }), provider('cloud', { jwks: 'discover' }));
    expect(find({ VERIFIER_NETWORK: '' })).toEqual([]);
  });

  it('names a providers file that is missing, or closed to one of the containers', () => {
    expect(find()).toEqual([`JWT_PROVIDERS: ${dir}/providers.json is missing`]);
    file('providers.json', '{}', 0o600);
    expect(find()).toEqual([closed(`${dir}/providers.json`, 'nginx')]);
  });

  it('names every fault of the file', () => {
    withProviders(provider('any', { jwks: 'discover' }), provider('corp', { jwks: {}, nonsense: 1 }));
    expect(find()).toEqual([
      expect.stringMatching(/^JWT_PROVIDERS: providers\[0\]\.name: expected /),
      expect.stringMatching(/^JWT_PROVIDERS: providers\[1\]/),
      expect.stringMatching(/^JWT_PROVIDERS: providers\[1\]/),
    ]);
  });

  it('names an issuer that another setting has', () => {
    withProviders(provider('corp', { jwks: 'discover' }));
    expect(find({ MINT_ISSUER: 'https://corp.example' })).toEqual([
      'JWT_PROVIDERS: providers[0].issuer[0]: expected another issuer than that of MINT_ISSUER',
    ]);
  });

  it('names each file of a provider that its reader can not read', () => {
    mkdirSync(join(dir, 'keys'));
    file('keys/corp.json', '', 0o600);
    file('token', '', 0o600);
    withProviders(
      provider('corp', { jwks: { file: 'keys/corp.json' } }),
      provider('cluster', { jwks: 'discover', ca: 'ca.pem', credential: 'token' }),
    );
    expect(find({ VERIFIER_NETWORK: 'on' })).toEqual([
      closed(`jwks of corp: ${dir}/keys/corp.json`, 'nginx'),
      `JWT_PROVIDERS: ca of cluster: ${dir}/ca.pem is missing`,
      closed(`credential of cluster: ${dir}/token`, 'verifier'),
    ]);
  });

  it('asks for a network where the sidecar fetches keys and Compose gives it none', () => {
    file('ca.pem');
    withProviders(
      provider('private', { jwks: 'discover', ca: 'ca.pem' }),
      provider('address', { jwks: { url: 'https://10.0.0.1/keys' } }),
      provider('public', { jwks: 'discover' }),
    );
    const asked = ['VERIFIER_NETWORK: expected on, as the sidecar fetches the keys of private, address'];
    expect(find({ VERIFIER_NETWORK: '' })).toEqual(asked);
    expect(find({ VERIFIER_NETWORK: 'on' })).toEqual([]);
    expect(find()).toEqual([]); // a pod: all containers have its network
  });

  it('wants JWKS_CA open to the sidecar where the sidecar goes by it', () => {
    file('authority.pem', '', 0o600);
    const env = { JWKS_CA: join(dir, 'authority.pem') };
    withProviders(provider('public', { jwks: 'discover' }));
    expect(find(env)).toEqual([]);
    withProviders(provider('address', { jwks: { url: 'https://10.0.0.1/keys' } }));
    expect(find(env)).toEqual([expect.stringMatching(/^JWKS_CA: .* can't be read by verifier /)]);
  });
});
