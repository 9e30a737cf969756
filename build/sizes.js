// Prints how large the project's parts are: `npm run sizes`; with --write, into docs/architecture.md. A folder as an
// argument measures the sources of another project, for comparison.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import ts from 'typescript';
import { listFiles, readSourcesOf, sourceFolders } from './sources.js';
import { followWays } from './ways.js';

const root = join(import.meta.dirname, '..');
const gatewayTests = /^test\/(?:gateway|launcher|compose|deploy|docs|properties|browser)\//; // they run the whole, and mirror no source

/** Sizes of the sources under some folders. */
export function measure(base, folders) {
  const files = readSourcesOf(base, folders);
  const lines = files.map(({ text }) => text.split('\n').length - 1);
  const functions = files.flatMap(({ path, text }) => functionLengths(path, text));
  return {
    files: files.length,
    medianLines: median(lines),
    maxLines: Math.max(...lines),
    under40: lines.filter((count) => count < 40).length,
    functions: functions.length,
    medianFunction: median(functions),
    maxFunction: Math.max(...functions),
    commentPercent: Math.round((100 * sum(files.map(({ text }) => commentLines(text)))) / sum(lines)),
    circles: findCircles(readImports(files)).length,
  };
}

/** How many tests of parts stand where their source stands. */
export function measureMirror() {
  const tests = listFiles(join(root, 'test')).map((path) => relative(root, path));
  const ofParts = tests.filter((path) => path.endsWith('.test.ts') && !gatewayTests.test(path));
  const mirrors = ofParts.filter((path) =>
    existsSync(join(root, path.replace(/^test\//, '').replace('.test.ts', '.ts'))),
  );
  return {
    ofParts: ofParts.length,
    mirrors: mirrors.length,
    others: ofParts.filter((path) => !mirrors.includes(path)),
  };
}

/** @returns each source file with the source files that it imports */
export function readImports(files) {
  const sources = new Set(files.map(({ path }) => path));
  return new Map(
    files.map(({ path, text }) => {
      const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => match[1]);
      const targets = specifiers.map((one) => normalize(join(dirname(path), one)));
      return [
        path,
        targets.map((one) => [one, one.replace(/\.js$/, '.ts')].find((name) => sources.has(name))).filter(Boolean),
      ];
    }),
  );
}

/** @returns the groups of files that import each other, directly or through other files */
export function findCircles(imports) {
  const reach = (from) => {
    const found = new Set();
    const pending = [...(imports.get(from) ?? [])];
    while (pending.length > 0) {
      const next = pending.pop();
      if (found.has(next)) continue;
      found.add(next);
      pending.push(...(imports.get(next) ?? []));
    }
    return found;
  };
  const circles = [...imports.keys()]
    .filter((file) => reach(file).has(file))
    .map((file) => [...imports.keys()].filter((other) => reach(file).has(other) && reach(other).has(file)).join(', '));
  return [...new Set(circles)];
}

function functionLengths(path, text) {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lengths = [];
  const visit = (node) => {
    const isNamed = ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node) || ts.isConstructorDeclaration(node);
    const isConstant = ts.isArrowFunction(node) && ts.isVariableDeclaration(node.parent) && ts.isBlock(node.body);
    if ((isNamed && node.body !== undefined) || isConstant) {
      const line = (position) => source.getLineAndCharacterOfPosition(position).line;
      lengths.push(line(node.end) - line(node.getStart(source)) + 1);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return lengths;
}

function commentLines(text) {
  return text.split('\n').filter((line) => /^\s*(?:\/\/|\/\*|\*)/.test(line)).length;
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

function describe(name, sizes) {
  const { files, medianLines, maxLines, under40, functions, medianFunction, maxFunction, commentPercent, circles } =
    sizes;
  const cells = [name, files, `${medianLines} / ${maxLines}`, under40, functions, `${medianFunction} / ${maxFunction}`];
  return `| ${[...cells, `${commentPercent} %`, circles].join(' | ')} |`;
}

function printSizes() {
  const rooms = sourceFolders.filter((folder) => existsSync(join(root, folder)));
  const { ofParts, mirrors } = measureMirror();
  const ways = Object.entries(followWays()).map(([name, files]) => `| ${name} | ${files.length} |`);
  return `Printed by \`npm run sizes\`. Lines and functions: median / longest.

| folder | files | lines | under 40 lines | functions | lines of a function | comments | circles |
| --- | --- | --- | --- | --- | --- | --- | --- |
${rooms.map((folder) => describe(`\`${folder}/\``, measure(root, [folder]))).join('\n')}
${describe('all', measure(root, rooms))}

${mirrors} of the ${ofParts} tests of parts stand where their source stands; the others compare several sources.

| to follow | files |
| --- | --- |
${ways.join('\n')}
`;
}

if (import.meta.filename === process.argv[1]) {
  const [argument] = process.argv.slice(2);
  if (argument === '--write') {
    const path = join(root, 'docs/architecture.md');
    const before = readFileSync(path, 'utf8');
    const [head, tail = ''] = before.split(/(?<=^## Sizes\n)/m);
    const models = /\n### The models[\s\S]*$/.exec(tail)?.[0] ?? '';
    writeFileSync(path, `${head}\n${printSizes()}${models}`);
  } else if (argument === undefined) console.log(printSizes());
  else console.log(describe(argument, measure(argument, ['.'])));
}
