// An operator who starts Keygate with files that can't be used, or that count for less than they seem to.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkProviderIssuers, findUnusableSources } from '../../launcher/sources.js';
import { readSettings } from '../../settings/read.js';

const dir = mkdtempSync(join(tmpdir(), 'keygate-sources-'));
mkdirSync(join(dir, 'keys'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const file = (name: string, text: string) => {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
};
const settingsOf = (env: { [name: string]: string }) => readSettings({ STATE_DIR: dir, ...env });
const find = (env: { [name: string]: string } = {}) => findUnusableSources(settingsOf(env));
const fingerprint = `carol:$x509$${'A'.repeat(43)}\n`;

describe('findUnusableSources', () => {
  it('finds nothing where no file is named, and nothing in good files', () => {
    expect(find()).toEqual([]);
    expect(find({ API_KEYS_FILE: file('good.txt', 'plain-key\n'), CLIENT_CERTIFICATES: 'off' })).toEqual([]);
  });

  it.each([fingerprint, 'robots:$x509-subject$CN=robot\n'])('says that no certificate counts for %s', (line) => {
    const path = file('keys/api_keys.txt', `plain-key\n${line}`);
    const said = `${path}: its lines of client certificates count only with CLIENT_CERTIFICATES=on`;
    expect(find()).toEqual([said]);
    expect(find({ CLIENT_CERTIFICATES: 'on' })).toEqual([]);
    rmSync(path);
  });

  it('names each file that is missing or damaged, its setting and what follows', () => {
    const said = find({
      API_KEYS_FILE: join(dir, 'gone.txt'),
      JWKS_PATH: file('jwks.json', '{"keys":[]}'),
      JWT_ISSUER: 'https://a.example',
      JWT_AUDIENCE: 'llm',
      JWT_PROVIDERS: file('providers.json', '{"providers":[{"name":"a"}]}'),
    });
    expect(said[0]).toBe(`API_KEYS_FILE ${dir}/gone.txt: ENOENT: API keys get 503 until it can be used`);
    expect(said[1]).toBe(`JWKS_PATH ${dir}/jwks.json: no usable key: tokens that need it get 503 until it can be used`);
    expect(said.slice(2, -1)).toEqual(
      ['jwks', 'issuer', 'audience'].map(
        (name) =>
          expect.stringContaining(`JWT_PROVIDERS ${dir}/providers.json: providers[0].${name}: expected`) as string,
      ),
    );
    expect(said.at(-1)).toContain('tokens of unknown issuers get 503 until it can be used');
  });

  it('says that JWKS_PATH counts for nothing beside providers, without an issuer by name', () => {
    const entry = { name: 'a', issuer: 'https://a.example', audience: 'llm', jwks: 'discover' };
    const env = {
      JWKS_PATH: file('jwks.json', '{"keys":[]}'),
      JWT_PROVIDERS: file('p.json', JSON.stringify({ providers: [entry] })),
    };
    expect(find(env)).toEqual([
      `JWKS_PATH ${dir}/jwks.json: ignored, as JWT_PROVIDERS is set and JWT_ISSUER names no issuer`,
    ]);
  });
});

describe('checkProviderIssuers', () => {
  it('stops a start where two sets of keys would verify the tokens of one issuer, and nothing else does', () => {
    const entry = { name: 'a', issuer: 'https://a.example', audience: 'llm', jwks: 'discover' };
    const JWT_PROVIDERS = file('taken.json', JSON.stringify({ providers: [entry] }));
    expect(() => checkProviderIssuers(settingsOf({ JWT_PROVIDERS, MINT_ISSUER: 'https://a.example' }))).toThrow(
      'JWT_PROVIDERS: providers[0].issuer[0]: expected another issuer than that of MINT_ISSUER',
    );
    checkProviderIssuers(settingsOf({ JWT_PROVIDERS }));
    checkProviderIssuers(settingsOf({ JWT_PROVIDERS: file('taken.json', '{') }));
  });
});
