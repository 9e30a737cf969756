// An operator with several identity providers: each one's keys and rules hold for its own tokens alone, on every nginx.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { answerAndLine } from './harness/audit_log.js';
import { guardOf, startEmbedded } from './harness/embedded.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { jwksOf, makeSigner, type Signer } from './harness/tokens.js';
import { describeAtOnce, type Variant } from './harness/variants.js';

const soon = { timeout: 20000, interval: 100 };
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

let corp: Signer;
let pool: Signer;
let unnamed: Signer;
const opened: (() => Promise<void>)[] = [];

beforeAll(async () => {
  corp = await makeSigner('RS256', 'one');
  pool = await makeSigner('ES256', 'one'); // another key under the same kid
  unnamed = await makeSigner('ES256', 'two');
});

afterAll(async () => {
  await Promise.all(opened.map((close) => close()));
});

const corpEntry = {
  name: 'corp',
  issuer: ['https://login.corp.example/', 'https://sts.corp.example/'],
  audience: ['llm'],
  jwks: { file: 'corp.json' },
  require: [{ claim: 'groups', contains: 'llm-users' }],
  subject: ['email', 'sub'],
  scopes: ['scope', 'realm_access.roles'],
};
const poolEntry = {
  name: 'pool',
  issuer: ['https://idp.example/pool'],
  audience: 'any',
  jwks: { file: 'pool.json' },
  require: [{ claim: 'client_id', one_of: ['abc'] }],
};

const corpClaims = { iss: 'https://login.corp.example/', aud: 'llm', groups: ['llm-users'], email: 'al@corp.example' };
const poolClaims = { iss: 'https://idp.example/pool', client_id: 'abc', sub: 'machine' };

/** A folder with the file of providers and their keys. */
class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'keygate-providers-'));
  readonly file = join(this.path, 'providers.json');

  constructor(...providers: object[]) {
    this.write(...providers);
    writeFileSync(join(this.path, 'corp.json'), jwksOf(corp));
    writeFileSync(join(this.path, 'pool.json'), jwksOf(pool));
    opened.push(() => Promise.resolve(rmSync(this.path, { recursive: true, force: true })));
  }

  write(...providers: object[]): void {
    writeFileSync(this.file, JSON.stringify({ providers }));
  }
}

async function open(variant: Variant, folder: Folder, env: { [name: string]: string } = {}): Promise<Gateway> {
  const all = { JWT_PROVIDERS: folder.file, ...env };
  const gateway = await startGateway({ variant, env: all, keys: 'plain\n', sidecar: false });
  opened.unshift(() => gateway.stop());
  return gateway;
}

/** The status of a token's request, and the reason in the audit log. */
async function answerTo(gateway: Gateway, token: string): Promise<string> {
  const { answer, line } = await answerAndLine(gateway.audited, (id) =>
    gateway.send('/v1/models', { headers: { ...bearer(token).headers, 'x-request-id': id } }),
  );
  return `${answer.status} ${line['reason']}`.trim();
}

describeAtOnce('JWT_PROVIDERS', (variant) => {
  it('judges each token by the keys and rules of its own provider', async () => {
    const gateway = await open(variant, new Folder(corpEntry, poolEntry));
    expect(await answerTo(gateway, await corp.sign(corpClaims))).toBe('200');
    expect(gateway.upstream.arrived.at(-1)?.headers).toMatchObject({
      'x-auth-user': 'al@corp.example',
      'x-auth-issuer': 'https://login.corp.example/',
      'x-auth-method': 'jwt',
    });
    expect(await answerTo(gateway, await corp.sign({ ...corpClaims, iss: 'https://sts.corp.example/' }))).toBe('200');
    expect(await answerTo(gateway, await pool.sign(poolClaims))).toBe('200');
    const refused: [claims: JWTPayload, signer: Signer, reason: string][] = [
      [{ ...corpClaims, aud: 'other' }, corp, 'token_audience'],
      [{ ...corpClaims, groups: ['llm-users-not'] }, corp, 'token_require'],
      [{ ...corpClaims, groups: { 'llm-users': true } }, corp, 'token_require'],
      [{ ...corpClaims, email: '', sub: '' }, corp, 'token_no_subject'],
      [{ ...corpClaims, email: ['al@corp.example'] }, corp, 'token_claim_type'],
      [{ ...poolClaims, client_id: 'abd' }, pool, 'token_require'],
      [corpClaims, pool, 'token_no_fitting_key'],
      [{ ...poolClaims, iss: 'https://idp.example/pool/' }, pool, 'token_issuer'],
      [{ ...poolClaims, iss: '' }, pool, 'token_issuer'],
      [{ ...poolClaims, iss: 'constructor' }, pool, 'token_issuer'],
      [{ ...poolClaims, iss: `https://idp.example/${'x'.repeat(4000)}` }, pool, 'token_issuer'],
    ];
    for (const [claims, signer, reason] of refused) {
      const token = await signer.sign(claims);
      expect(await answerTo(gateway, token), JSON.stringify(claims).slice(0, 200)).toBe(`401 ${reason}`);
    }
    expect((await gateway.send('/', { headers: { 'x-api-key': 'plain' } })).status).toBe(200);
  }, 60000);

  it('takes an edit up within a second, and keeps the last good file', async () => {
    const folder = new Folder(corpEntry);
    const gateway = await open(variant, folder);
    const tokens = [await corp.sign(corpClaims), await pool.sign(poolClaims)] as const;
    const answers = () => Promise.all(tokens.map(async (token) => (await gateway.send('/', bearer(token))).status));
    expect(await answers()).toEqual([200, 401]);
    folder.write(corpEntry, poolEntry);
    await vi.waitFor(async () => expect(await answers()).toEqual([200, 200]), soon);
    for (const damaged of ['{"providers": [', '{}', '', '[]', 'x'.repeat(2000000)]) {
      writeFileSync(folder.file, damaged);
      await vi.waitFor(async () => {
        const ready = (await gateway.send('/health/ready')).json();
        expect(ready, damaged.slice(0, 20)).toMatchObject({ status: 'degraded', components: { jwks: 'degraded' } });
      }, soon);
      expect(await answers()).toEqual([200, 200]);
      folder.write(corpEntry, poolEntry);
      await vi.waitFor(async () => {
        expect((await gateway.send('/health/ready')).json()).toMatchObject({ components: { jwks: 'ok' } });
      }, soon);
    }
    folder.write({ ...corpEntry, name: '', audience: undefined }, { ...poolEntry, issuer: ['any'], extra: 1 });
    await vi.waitFor(() => expect(gateway.errorLog()).toContain('providers[1].extra: expected one of'), soon);
    for (const place of ['providers[0].name: expected', 'providers[0].audience: expected', 'providers[1].issuer[0]:'])
      expect(gateway.errorLog()).toContain(`JWT_PROVIDERS: ${place}`);
    expect(await answers()).toEqual([200, 200]);
    folder.write({ ...corpEntry, require: [{ claim: 'groups', contains: 'others' }] }, poolEntry);
    await vi.waitFor(async () => expect(await answers()).toEqual([401, 200]), soon);
    folder.write(corpEntry);
    await vi.waitFor(async () => expect(await answers()).toEqual([200, 401]), soon);
  }, 120000);

  it("keeps one provider's fault from the others, and takes up its keys when they change", async () => {
    const folder = new Folder(corpEntry, poolEntry);
    writeFileSync(join(folder.path, 'pool.json'), '{"keys": []}');
    const gateway = await open(variant, folder);
    expect(await answerTo(gateway, await corp.sign(corpClaims))).toBe('200');
    expect(await answerTo(gateway, await pool.sign(poolClaims))).toBe('503 keys_unavailable');
    expect(gateway.errorLog()).toContain(`provider pool: ${folder.path}/pool.json: no usable key`);
    writeFileSync(join(folder.path, 'pool.json'), jwksOf(pool));
    await vi.waitFor(async () => expect(await answerTo(gateway, await pool.sign(poolClaims))).toBe('200'), soon);
    expect(gateway.errorLog()).toContain('keygate: provider:pool: recovered');
    const next = await makeSigner('ES256', 'next');
    expect(await answerTo(gateway, await next.sign(poolClaims))).toBe('401 token_unknown_kid');
    writeFileSync(join(folder.path, 'pool.json'), jwksOf(next));
    await vi.waitFor(async () => expect(await answerTo(gateway, await next.sign(poolClaims))).toBe('200'), soon);
    expect(await answerTo(gateway, await pool.sign(poolClaims))).toBe('401 token_unknown_kid');
    folder.write(corpEntry, { ...poolEntry, jwks: { file: 'elsewhere.json' } }); // other keys: the old ones go at once
    await vi.waitFor(async () => expect(await answerTo(gateway, await next.sign(poolClaims))).toMatch(/^503/), soon);
    expect(await answerTo(gateway, await corp.sign(corpClaims))).toBe('200');
  }, 60000);

  it('answers 503 to unknown issuers while no file could be read, and blames no token', async () => {
    const folder = new Folder();
    writeFileSync(folder.file, '{"providers": [{}]}');
    const gateway = await open(variant, folder);
    expect(await answerTo(gateway, await corp.sign(corpClaims))).toBe('503 keys_unavailable');
    expect((await gateway.send('/health/ready')).json()).toMatchObject({ components: { keys: 'ok', jwks: 'failing' } });
    folder.write(corpEntry);
    await vi.waitFor(async () => expect(await answerTo(gateway, await corp.sign(corpClaims))).toBe('200'), soon);
  }, 60000);

  it('has an unnamed provider only for the issuers of JWT_ISSUER', async () => {
    const folder = new Folder(corpEntry);
    const jwksPath = join(folder.path, 'unnamed.json');
    writeFileSync(jwksPath, jwksOf(unnamed));
    const signed = await unnamed.sign({ iss: 'https://unnamed.example', aud: 'a' });
    const forged = await unnamed.sign(corpClaims, { kid: 'one' });
    const named = { JWKS_PATH: jwksPath, JWT_ISSUER: 'https://unnamed.example', JWT_AUDIENCE: 'a' };
    const gateway = await open(variant, folder, named);
    expect(await answerTo(gateway, signed)).toBe('200');
    expect(await answerTo(gateway, await corp.sign(corpClaims))).toBe('200');
    expect(await answerTo(gateway, forged)).toBe('401 token_no_fitting_key');
    // An edit may not take the issuer of other keys.
    folder.write({ ...corpEntry, issuer: ['https://unnamed.example'] });
    const taken = 'providers[0].issuer[0]: expected another issuer than that of JWT_ISSUER';
    await vi.waitFor(() => expect(gateway.errorLog()).toContain(taken), soon);
    folder.write({ ...corpEntry, issuer: ['keygate'] });
    await vi.waitFor(() => expect(gateway.errorLog()).toContain('another issuer than that of MINT_ISSUER'), soon);
    expect(await answerTo(gateway, signed)).toBe('200');
    folder.write(corpEntry);
    for (const issuer of [{ JWT_ISSUER: 'any' }, {}]) {
      const other = await open(variant, folder, { JWKS_PATH: jwksPath, ...issuer });
      expect(await answerTo(other, signed)).toBe('401 token_issuer');
      expect(await answerTo(other, await corp.sign(corpClaims))).toBe('200');
    }
  }, 60000);

  it('takes in a location the providers that it names', async () => {
    const folder = new Folder(corpEntry, poolEntry);
    const guarded = (path: string, names: string) => `location ${path} {
        ${guardOf(variant)} set $keygate_jwt_providers "${names}"; include keygate/proxy_headers.conf; proxy_pass http://app;
      }`;
    const gateway = await startEmbedded({
      variant,
      env: { JWT_PROVIDERS: folder.file },
      keys: 'plain\n',
      sidecar: false,
      server: `${guarded('/corp', 'corp')} ${guarded('/both', 'pool, corp')} ${guarded('/all', '')} ${guarded('/none', 'other')}`,
    });
    opened.unshift(() => gateway.stop());
    const paths = ['/corp', '/both', '/all', '/none'];
    const statuses = async (sending: object) =>
      Promise.all(paths.map(async (path) => (await gateway.send(path, sending)).status));
    const corpToken = await corp.sign(corpClaims);
    const poolToken = await pool.sign(poolClaims);
    for (let i = 0; i < 3; i++) {
      expect(await statuses(bearer(corpToken))).toEqual([200, 200, 200, 401]);
      expect(await statuses(bearer(poolToken))).toEqual([401, 200, 200, 401]);
    }
    expect(await statuses({ headers: { 'x-api-key': 'plain' } })).toEqual([200, 200, 200, 200]);
    await vi.waitFor(() => expect(gateway.accessLog()).toContain('token_provider'), soon);
  }, 60000);
});
