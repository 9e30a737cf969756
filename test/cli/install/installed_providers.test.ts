// An operator who edits providers.json later: `keygate install` and its --check know which lines the claims need, and
// write none while the file has a fault.

import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fakeNginx, type FakeNginx } from './fake_nginx.js';
import { runInstall } from './run_install.js';

let work = '';
let dir = '';
let nginx: FakeNginx;

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'keygate-install-providers-'));
  dir = join(work, 'keygate');
  nginx = fakeNginx(work, { njs: '1.0.2', engines: ['qjs', 'njs'], configuration: 'events {}' });
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const install = (...args: string[]) =>
  runInstall(work, [dir, '--nginx', nginx.program, '--module', nginx.module, ...args]);
const read = (name: string) => readFileSync(join(dir, name), 'utf8');
const change = (name: string, edit: (text: string) => string) => writeFileSync(join(dir, name), edit(read(name)));
const providersFile = () => join(work, 'providers.json');
const withProviders = (...providers: object[]) => writeFileSync(providersFile(), JSON.stringify({ providers }));
const corp = (claims: string[], more: object = {}) => ({
  name: 'corp',
  issuer: 'https://corp.example',
  audience: 'llm',
  jwks: 'discover',
  claims,
  ...more,
});
const setVariable = (name: string, value: string) =>
  change('settings.conf', (text) => text.replace(new RegExp(`(\\$keygate_${name}) ""`), `$1 ${value}`));
const check = () => {
  const { code, out } = install('--check', '--json');
  const { differences } = JSON.parse(out) as { differences: { file: string; problem: string }[] };
  return { code, found: differences.map(({ file, problem }) => `${file}: ${problem}`) };
};
const everything = () => readdirSync(dir).map((name) => [name, read(name)]);

describe('keygate install', () => {
  it.each(['"FILE"', 'FILE'])('writes lines for the claims of the file that settings.conf names: %s', (form) => {
    install();
    withProviders(corp(['email', 'tenant.id']));
    setVariable('jwt_providers_file', form.replace('FILE', providersFile()));
    expect(install().code).toBe(0);
    expect(read('proxy_headers.conf')).toContain('proxy_set_header X-Auth-Claim-Email $keygate_claim_email;');
    expect(read('asking.conf')).toContain('$http_x_auth_claim_email$http_x_auth_claim_tenant_id');
    expect(check()).toEqual({ code: 0, found: [] });
  });

  it('writes nothing while the file has faults, and names them all', () => {
    install();
    withProviders(corp(['email']));
    setVariable('jwt_providers_file', `"${providersFile()}"`);
    install();
    const before = everything();
    withProviders(corp(['email'], { name: 'any', nonsense: 1 }));
    for (const ran of [install(), install('--dry-run')]) {
      expect(ran.code).toBe(1);
      expect(ran.err.trim().split('\n')).toEqual([
        expect.stringMatching(/^keygate: JWT_PROVIDERS .*providers\.json: providers\[0\]/),
        expect.stringMatching(/^keygate: JWT_PROVIDERS .*providers\.json: providers\[0\]\.name: expected /),
      ]);
    }
    rmSync(providersFile());
    expect(install().err).toBe(`keygate: JWT_PROVIDERS ${providersFile()}: ENOENT\n`);
    expect(everything()).toEqual(before);
  });
});

describe('keygate install --check', () => {
  beforeEach(() => {
    install();
    withProviders(corp(['email', 'team']));
    setVariable('jwt_providers_file', `"${providersFile()}"`);
    install();
  });

  it('names the claims that have come and gone since the installation, until it is made again', () => {
    withProviders(corp(['email', 'tenant.id']));
    const changes = 'X-Auth-Claim-Tenant-Id is new, X-Auth-Claim-Team is gone';
    expect(check()).toEqual({
      code: 1,
      found: [
        `${providersFile()}: other headers than were installed: ${changes}: run keygate install, and reload nginx`,
      ],
    });
    withProviders(corp(['email', 'tenant.id'], { header: 'X-Corp-Token' }));
    expect(check().found[1]).toBeUndefined();
    expect(check().found[0]).toContain('X-Auth-Claim-Team is gone');
    expect(check().found[0]).toContain('x-corp-token is new');
    install();
    expect(check()).toEqual({ code: 0, found: [] });
    setVariable('jwt_providers', '"corp"');
    change('settings.conf', (text) => text.replace(providersFile(), ''));
    expect(check().found).toEqual([expect.stringMatching(/^settings\.conf: .* X-Auth-Claim-Email is gone/)]);
  });

  it('names every fault of the file, and an issuer that settings.conf has', () => {
    withProviders(corp(['email'], { name: 'any', nonsense: 1 }));
    expect(check()).toEqual({
      code: 1,
      found: [
        expect.stringMatching(/^.*\/providers\.json: providers\[0\]/),
        expect.stringMatching(/^.*\/providers\.json: providers\[0\]\.name: expected /),
      ],
    });
    withProviders(corp(['email', 'team']));
    expect(check().code).toBe(0);
    setVariable('mint_issuer', '"https://corp.example"');
    expect(check().found).toEqual([
      `${providersFile()}: providers[0].issuer[0]: expected another issuer than that of MINT_ISSUER`,
    ]);
    rmSync(providersFile());
    expect(check().found).toEqual([`${providersFile()}: ENOENT`]);
  });
});
