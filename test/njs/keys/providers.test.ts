// An operator who changes the providers file while requests go on, in other workers: at no moment do the keys of one
// issuer verify the tokens of another, or hold under another's rules.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Provider, ProvidersByIssuer } from '../../../auth/token_rules.js';
import { shared } from '../../properties/njs_in_node.js';
import { jwksOf, makeSigner } from '../../gateway/harness/tokens.js';

const dir = mkdtempSync(join(tmpdir(), 'keygate-providers-'));
const path = join(dir, 'providers.json');
const logged: string[] = [];
let refreshProviders: (variables: object, nowMs: number, mintIssuer: string) => void;
let readProviders: () => ProvidersByIssuer | 'unavailable' | undefined;

beforeAll(async () => {
  vi.stubGlobal('ngx', { shared, ERR: 4, WARN: 5, log: (_: number, text: string) => logged.push(text) });
  vi.stubGlobal('KEYGATE_QUICKJS', true);
  const load = (file: string) => import(/* @vite-ignore */ `../../../njs/keys/${file}`) as Promise<object>;
  ({ refreshProviders } = (await load('providers.ts')) as { refreshProviders: typeof refreshProviders });
  ({ readProviders } = (await load('stored_providers.ts')) as { readProviders: typeof readProviders });
  for (const kid of ['a', 'b', 'c', 'all'])
    writeFileSync(join(dir, `${kid}.json`), jwksOf(await makeSigner('ES256', kid)));
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

beforeEach(() => {
  shared.keygate_state.clear();
  logged.length = 0;
});

let nowMs = Date.now() + 60000;
/** Ticks until a changed file has settled (auth/file_change.ts). */
const refresh = (changed: object = {}, mintIssuer = 'keygate') => {
  for (let tick = 0; tick < 3; tick++)
    refreshProviders({ keygate_jwt_providers_file: path, ...changed }, (nowMs += 5000), mintIssuer);
};
const write = (...providers: object[]) => {
  writeFileSync(`${path}.new`, JSON.stringify({ providers }));
  renameSync(`${path}.new`, path);
};
const entry = (name: string, issuer: string, kid = issuer, more: object = {}) => ({
  name,
  issuer: `https://${issuer}.example`,
  audience: issuer,
  jwks: { file: `${kid}.json` },
  ...more,
});
const find = (issuer: string): Provider | undefined => {
  const providers = readProviders();
  return typeof providers === 'function' ? providers(`https://${issuer}.example`) : undefined;
};
const kidsOf = (issuer: string) => find(issuer)?.keys.map(({ kid }) => kid);

/** Calls `look` after each change of shared memory, as another worker may look at any time. */
function watch(look: () => void): () => void {
  const { keygate_state: state } = shared;
  const spies = (['set', 'delete'] as const).map((name) => {
    const original = state[name].bind(state) as (...values: unknown[]) => void;
    return vi.spyOn(state, name).mockImplementation((...values: unknown[]) => {
      original(...values);
      look();
    });
  });
  return () => spies.forEach((spy) => spy.mockRestore());
}

describe('refreshProviders', () => {
  /** What is not the issuer's own at this moment: its keys, or the rules that they hold under. */
  const findMixed = (): string[] =>
    ['a', 'b', 'c'].flatMap((issuer) => {
      const { keys = [], audiences = '' } = find(issuer) ?? {};
      const isOwn = keys.every(({ kid }) => kid === issuer || kid === 'all') && [...audiences].join() === issuer;
      return keys.length === 0 || isOwn ? [] : [`${issuer}: ${JSON.stringify([keys, audiences])}`];
    });

  it.each<[string, object[], object[]]>([
    ['one name goes to another issuer', [entry('corp', 'a')], [entry('corp', 'b')]],
    ['two change their names', [entry('x', 'a'), entry('y', 'b')], [entry('y', 'a'), entry('x', 'b')]],
    [
      'three change their names in a circle',
      ['a', 'b', 'c'].map((one, i) => entry(`${i}`, one)),
      ['c', 'a', 'b'].map((one, i) => entry(`${i}`, one)),
    ],
    [
      'two with the same keys change their names',
      [entry('x', 'a', 'all'), entry('y', 'b', 'all')],
      [entry('y', 'a', 'all'), entry('x', 'b', 'all')],
    ],
    ['one goes and another comes', [entry('x', 'a')], [entry('y', 'b')]],
    ['one takes the name of another that goes', [entry('x', 'a'), entry('y', 'b')], [entry('x', 'b')]],
  ])('keeps issuers apart at every moment where %s', (_, before, after) => {
    write(...before);
    refresh();
    const mixed: string[] = [];
    const stop = watch(() => mixed.push(...findMixed()));
    write(...after);
    refresh();
    stop();
    expect(mixed).toEqual([]);
    for (const { audience, jwks } of after as { audience: string; jwks: { file: string } }[])
      expect(kidsOf(audience), audience).toEqual([jwks.file.replace('.json', '')]);
    const gone = ['a', 'b', 'c'].filter((one) => !after.some((of) => (of as { audience: string }).audience === one));
    for (const one of gone) expect(find(one), one).toBeUndefined();
  });

  it.each(['a', 'b'])(
    'keeps them apart for a worker that is stopped while it looks %s up, and goes on later',
    (issuer) => {
      for (let reads = 1; reads <= 4; reads++) {
        shared.keygate_state.clear();
        write(entry('corp', 'a'));
        refresh();
        write(entry('corp', 'b'));
        const original = shared.keygate_state.get.bind(shared.keygate_state);
        let count = 0;
        const spy = vi.spyOn(shared.keygate_state, 'get').mockImplementation((name: string) => {
          const value = original(name);
          if (++count === reads) refresh();
          return value;
        });
        const { keys = [], audiences } = find(issuer) ?? {};
        spy.mockRestore();
        expect([[], [audiences]], `${reads}`).toContainEqual(keys.map(({ kid }) => [kid]));
        expect(keys.every(({ kid }) => kid === issuer)).toBe(true);
      }
    },
  );

  it('keeps the keys of a provider whose rules alone are others', () => {
    write(entry('corp', 'a'));
    refresh();
    const seen: unknown[] = [];
    const stop = watch(() => seen.push(kidsOf('a')));
    write(entry('corp', 'a', 'a', { audience: ['other', 'more'], leeway: 0 }));
    refresh();
    stop();
    expect(find('a')).toMatchObject({ audiences: ['other', 'more'], leewaySeconds: 0 });
    expect(new Set(seen.map((one) => JSON.stringify(one)))).toEqual(new Set(['["a"]']));
  });

  it('keeps the providers of the last good file, and says every fault', () => {
    write(entry('corp', 'a'));
    refresh();
    write(entry('corp', 'b', 'b', { leeway: -1, nonsense: 1 }));
    refresh();
    expect([kidsOf('a'), find('b')]).toEqual([['a'], undefined]);
    expect(logged.join('\n')).toMatch(/providers\[0\]\.leeway: .*\n(?:.*\n)*.*the providers loaded before stay in use/);
    expect(logged.join('\n')).toContain('providers[0].nonsense: expected');
  });

  it('says unavailable before a good file was read, and has none where there is no file', () => {
    write(entry('corp', 'a', 'a', { leeway: -1 }));
    refresh();
    expect(readProviders()).toBe('unavailable');
    write(entry('corp', 'a'));
    refresh();
    expect(kidsOf('a')).toEqual(['a']);
    refresh({ keygate_jwt_providers_file: '' });
    expect(readProviders()).toBeUndefined();
    expect(shared.keygate_state.get('provider:corp')).toBeUndefined();
  });

  it.each([
    ['MINT_ISSUER', {}, 'https://a.example'],
    ['JWT_ISSUER', { keygate_jwt_issuer: 'x,https://a.example' }, 'keygate'],
  ])('takes no issuer of %s', (setting, variables, mintIssuer) => {
    write(entry('corp', 'a'));
    refresh(variables, mintIssuer);
    expect(readProviders()).toBe('unavailable');
    expect(logged[0]).toContain(`another issuer than that of ${setting}`);
  });

  it.each(['set', 'delete'] as const)('admits nobody where shared memory fails at any %s', (operation) => {
    for (let failing = 1; failing < 60; failing++) {
      shared.keygate_state.clear();
      write(entry('x', 'a'), entry('y', 'b'));
      refresh();
      write(entry('y', 'a'), entry('x', 'c'));
      const { keygate_state: state } = shared;
      const original = state[operation].bind(state) as (...values: unknown[]) => void;
      let count = 0;
      const spy = vi.spyOn(state, operation).mockImplementation((...values: unknown[]) => {
        if (++count === failing) throw new Error('no memory');
        original(...values);
      });
      try {
        refresh();
      } catch {
        // refresh.ts reports it
      }
      spy.mockRestore();
      expect(findMixed()).toEqual([]);
      if (count < failing) return expect(failing).toBeGreaterThan(5);
    }
    expect.unreachable('a change is not that long');
  });
});
