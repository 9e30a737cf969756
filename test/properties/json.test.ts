// An attacker who sends what only nearly is JSON: the reader for lenient engines says what JSON.parse of Node.js says.

import { expect, it } from 'vitest';
import { isJson } from '../../auth/json.js';
import { Choices } from './token_generator.js';

const seeds = [
  '{"iss":"https://issuer.example","exp":1900000000,"aud":["a","b"],"scope":"models chat","n":-1.5e+10,"t":true}',
  '{"a":{"b":[1,2,{"c":null}],"d":""},"e":[],"f":{},"g":"\\u00e9\\n\\\\","h":false}',
  '[0,-0,1.25,"x",[[[]]],{"k":{"k":{}}}]',
  '"a string"',
  ' { "white" : [ 1 , 2 ] } ',
];
const pieces = [
  ...['+', '-', '0', '01', '.', '1.', '.5', 'e', 'E5', '1e', 'NaN', 'Infinity', '0x1f', '1_0', 'true', 'null', 'nul'],
  ...[',', ',,', ':', '::', '{', '}', '[', ']', '"', "'", '\\', '\\u12', '\\x41', '/', '//c\n', '/*c*/'],
  ...[' ', '\t', '\n', '\r', '\f', '\v', '\u00a0', '\ufeff', '\u2028', '\0', '\u0001', '\ud800', 'é', 's', 'v'],
];

function isJsonToNode(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function mutate(text: string, choose: Choices): string {
  const at = choose.below(text.length + 1);
  const removed = choose.below(3);
  return text.slice(0, at) + (choose.below(4) > 0 ? choose.of(pieces) : '') + text.slice(at + removed);
}

it.each([1, 2, 3, 4])('reads mutated JSON as Node.js does (seed %i)', (seed) => {
  const choose = new Choices(seed);
  let good = 0;
  for (let i = 0; i < 10000; i++) {
    let text = choose.of(seeds);
    for (let times = choose.below(3); times >= 0; times--) text = mutate(text, choose);
    const expected = isJsonToNode(text);
    if (expected) good++;
    expect(isJson(text), JSON.stringify(text)).toBe(expected);
  }
  expect(good).toBeGreaterThan(500);
});
