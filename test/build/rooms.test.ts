// A newcomer who looks for a file and follows its imports: folders depend on each other one way, and no files in a
// circle.

import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findCircles, measureMirror, readImports } from '../../build/sizes.js';
import { readSources } from '../../build/sources.js';
import { followWays } from '../../build/ways.js';

const imports: Map<string, string[]> = readImports(readSources());

/** A folder; `main.ts`, which a folder may have as its door, is a room of its own. */
function roomOf(file: string): string {
  return file.endsWith('/main.ts') ? file : dirname(file);
}

const betweenRooms = new Map<string, string[]>();
for (const [file, targets] of imports) {
  const others = targets.map(roomOf).filter((room) => room !== roomOf(file));
  betweenRooms.set(roomOf(file), [...(betweenRooms.get(roomOf(file)) ?? []), ...others]);
}

const topOf = (file: string) => file.split('/')[0] as string;
const importedBy = (folder: string) =>
  [...new Set([...imports].filter(([file]) => topOf(file) === folder).flatMap(([, targets]) => targets.map(topOf)))]
    .filter((other) => other !== folder)
    .sort();

describe('imports', () => {
  it('form no circle of files', () => {
    expect(findCircles(imports)).toEqual([]);
  });

  it('point one way between folders', () => {
    expect(findCircles(betweenRooms)).toEqual([]);
  });

  it.each([
    ['auth', []],
    ['njs', ['auth', 'monitoring']],
    ['node', ['auth']],
    ['settings', ['auth', 'nginx', 'node']],
    ['nginx', ['auth', 'node', 'settings']],
    ['cluster', ['auth', 'node', 'settings']],
    ['verifier', ['auth', 'cluster', 'monitoring', 'node', 'settings']],
    ['monitoring', ['auth']],
    ['cli', ['auth', 'cluster', 'monitoring', 'nginx', 'node', 'settings', 'verifier']],
    ['stand_in', []],
    ['launcher', ['auth', 'cli', 'nginx', 'node', 'settings']],
    ['container', ['auth', 'launcher', 'nginx', 'node', 'settings']],
  ])('of %s are those that docs/architecture.md draws', (folder, expected) => {
    expect(importedBy(folder)).toEqual(expected);
  });
});

describe('ways', () => {
  it.each([
    ['an API key that was never seen', 38],
    ['a token that was never seen', 47], // its provider's rules, and the claims that they test
    ['a client certificate that was never seen', 8],
    ['keys of a provider that are fetched', 35], // by nginx, and by the sidecar
    ["a change of the providers' file", 29],
    ['POST /token', 32],
    ['an edit of the key file', 26], // the sources are joined, also with a cluster's; the snapshot has its own way
    ['a change of the snapshot of a cluster', 27],
    ['npm start', 30],
    ['a scrape of /metrics', 30],
  ])('take a reader of %s through %i files at most', (way, most) => {
    const files = (followWays() as { [way: string]: string[] })[way] ?? [];
    expect(files.length, files.join('\n')).toBeLessThanOrEqual(most);
    expect(files.length).toBeGreaterThan(5);
  });
});

describe('tests of parts', () => {
  it('stand where their source stands', () => {
    expect(measureMirror().others).toEqual(['test/auth/provider_shapes.test.ts', 'test/build/rooms.test.ts']);
  });
});
