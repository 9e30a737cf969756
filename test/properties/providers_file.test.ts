// A providers file that somebody, or a damaged disk, has changed anywhere: the parser never throws, and never takes a
// member that it does not know. What it takes, the schema for editors takes.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parseProviders } from '../../auth/providers.js';
import { Choices } from './token_generator.js';

const schema = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../docs/providers.schema.json'), 'utf8'),
) as object;
const fitsSchema = new Ajv2020({ allowUnionTypes: true, strictTuples: false }).compile(schema);

type Json = string | number | boolean | null | Json[] | { [member: string]: Json };

const good: Json[] = [
  {
    providers: [
      {
        name: 'corp',
        issuer: ['https://login.corp.example/', 'login.corp.example'],
        audience: ['llm'],
        jwks: { file: 'corp.json' },
        algorithms: ['RS256', 'EdDSA'],
        leeway: 5,
        require: [
          { claim: 'groups', contains: 'llm-users' },
          { claim: 'a.b', one_of: ['x', 1, true] },
          { claim: 'sub', matches: 'repo:org/*' },
        ],
        subject: ['email', 'sub'],
        scopes: ['scope', 'realm_access.roles'],
        claims: ['email'],
        header: 'Cf-Access-Jwt-Assertion',
      },
      { name: 'pool', issuer: 'https://idp.example', audience: 'any', jwks: 'discover', ca: 'ca', credential: 'token' },
    ],
  },
  { providers: [{ name: 'a', issuer: 'b', audience: 'c', jwks: { url: 'https://idp.example/keys' } }] },
];

// Every member that the file may have, by the member that holds the object.
const members: { [holder: string]: string } = {
  '': 'providers',
  providers: 'name issuer audience jwks algorithms ca leeway require subject scopes claims credential header',
  jwks: 'file url',
  require: 'claim equals one_of contains matches',
};
const known = (holder: string) => (members[holder] ?? '').split(' ');

/** The objects of a file, each with the member that holds it. */
function objectsOf(value: Json, holder = ''): { holder: string; object: { [member: string]: Json } }[] {
  if (Array.isArray(value)) return value.flatMap((one) => objectsOf(one, holder));
  if (typeof value !== 'object' || value === null) return [];
  return [{ holder, object: value }, ...Object.entries(value).flatMap(([name, one]) => objectsOf(one, name))];
}

const names = [
  'x',
  'note',
  '__proto__',
  'constructor',
  'toString',
  'Name',
  'issuers',
  '',
  ' name',
  'name\0',
  'ä',
  ...Object.values(members),
];
const texts = [
  '',
  'any',
  'x',
  '*',
  'discover',
  'https://a.example',
  'http://a',
  'a\nb',
  '\0',
  '\ud800',
  'x'.repeat(600),
];
const others: Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e300,
  [],
  {},
  [[]],
  [null],
  { a: 1 },
  { file: 'x' },
  { url: 'https://a' },
];

/** Changes a value somewhere, in place. */
function change(file: Json, choose: Choices): Json {
  const places: { holder: Json[] | { [member: string]: Json }; at: string }[] = [];
  const collect = (value: Json): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [at, one] of Object.entries(value)) {
      places.push({ holder: value, at });
      collect(one);
    }
  };
  collect(file);
  const value = () => choose.of<Json>([...texts, ...others, file]);
  if (places.length === 0) return value();
  const { holder, at } = choose.of(places);
  const held = holder as { [member: string]: Json };
  const set = (name: string, one: Json) =>
    Object.defineProperty(held, name, { value: one, enumerable: true, writable: true, configurable: true });
  switch (choose.below(5)) {
    case 0:
      delete held[at];
      break;
    case 1:
      set(
        Array.isArray(holder) ? at : choose.of([...names.flatMap((one) => one.split(' ')), ...names]),
        copyOf(value()),
      );
      break;
    case 2:
      if (Array.isArray(holder)) holder.push(copyOf(holder[Number(at)] ?? null));
      else set(choose.of(names), copyOf(held[at] ?? null));
      break;
    default:
      set(at, copyOf(value()));
  }
  return file;
}

const copyOf = (value: Json) => JSON.parse(JSON.stringify(value)) as Json;

/** Checks what holds for any text. Returns whether the parser takes it. */
function judge(text: string): boolean {
  const parsed = parseProviders(text);
  if ('faults' in parsed) {
    expect(parsed.faults.length, text).toBeGreaterThan(0);
    expect(parsed.faults.length).toBeLessThanOrEqual(101);
    for (const fault of parsed.faults) expect(fault, text).toMatch(/^[\x20-\x7e]{1,1000}$/);
    return false;
  }
  const file = JSON.parse(text) as Json;
  for (const { holder, object } of objectsOf(file))
    for (const name of Object.keys(object)) expect(known(holder), text).toContain(name);
  const { providers } = parsed;
  expect(providers.length, text).toBe((file as { providers: Json[] }).providers.length);
  expect(new Set(providers.map(({ name }) => name)).size, text).toBe(providers.length);
  const issuers = providers.flatMap((one) => one.issuers);
  expect(new Set(issuers).size, text).toBe(issuers.length);
  expect(issuers, text).not.toContain('any');
  for (const { audiences, subject = [], jwks } of providers) {
    expect([audiences.length > 0, subject.length > 0, jwks !== undefined], text).toEqual([true, true, true]);
    expect(audiences === 'any' || !audiences.includes('any'), text).toBe(true);
  }
  expect(fitsSchema(file), `${text} ${JSON.stringify(fitsSchema.errors)}`).toBe(true);
  return true;
}

const seeds = [1, 2, 3, 4];

describe('parseProviders', () => {
  it.each(seeds)('holds what it promises for files whose values are changed (seed %i)', (seed) => {
    const choose = new Choices(seed);
    let taken = 0;
    for (let i = 0; i < 3000; i++) {
      let file = copyOf(choose.of(good));
      for (let times = choose.below(2); times >= 0; times--) file = change(file, choose);
      if (judge(JSON.stringify(file))) taken++;
    }
    expect(taken).toBeGreaterThan(100);
    expect(taken).toBeLessThan(2000);
  });

  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a":1,',
    ',"a":{}',
    'null',
    '\\',
    '\\u0000',
    '\0',
    '\ufeff',
    '//x',
    ' ',
    '1e999',
    '"any"',
  ];

  it.each(seeds)('holds what it promises for files whose text is damaged (seed %i)', (seed) => {
    const choose = new Choices(seed);
    let taken = 0;
    for (let i = 0; i < 3000; i++) {
      let text = JSON.stringify(choose.of(good));
      for (let times = choose.below(3); times >= 0; times--) {
        const at = choose.below(text.length + 1);
        text =
          text.slice(0, at) +
          choose.of(['', ...pieces]) +
          text.slice(at + choose.below(choose.below(10) === 0 ? 500 : 3));
      }
      if (judge(text)) taken++;
    }
    expect(taken).toBeGreaterThan(50);
  });

  it('takes no further member anywhere, whatever its name and value', () => {
    for (const [i, file] of good.entries()) {
      for (const [place, { holder }] of objectsOf(file).entries()) {
        for (const name of [...names, 'a', ...known('providers'), ...known('jwks'), ...known('require')]) {
          if (known(holder).includes(name)) continue;
          const changed = copyOf(file);
          const { object } = objectsOf(changed)[place] as { object: object };
          Object.defineProperty(object, name, { value: null, enumerable: true });
          const text = JSON.stringify(changed);
          expect(parseProviders(text), `${i} ${text}`).toHaveProperty('faults');
        }
      }
    }
  });

  it('takes no member twice, anywhere', () => {
    for (const file of good) {
      const text = JSON.stringify(file);
      for (const { index } of text.matchAll(/"(\w+)":/g)) {
        const name = /"\w+":/.exec(text.slice(index))?.[0] ?? '';
        expect(parseProviders(`${text.slice(0, index)}${name}null,${text.slice(index)}`), name).toHaveProperty(
          'faults',
        );
      }
    }
  });
});
