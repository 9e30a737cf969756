// Which texts count as JSON objects: bounded in depth, and the same texts in every engine (RFC 8259).

/** A JSON object of which no member is checked yet. */
export interface UnverifiedObject {
  [name: string]: unknown;
}

export type JsonReading = { object: UnverifiedObject } | { fault: 'not an object' | 'nested too deep' };

/** How deep arrays and objects may be nested; the old engine itself stops at 31. */
export const maxDepth = 16;

/** Parses a text that must be a JSON object; the object has no prototype, so that it has only its own members. */
export function parseJsonObject(text: string): JsonReading {
  if (isDeep(text)) return { fault: 'nested too deep' };
  const value = parseJson(text);
  return isJsonObject(value) ? { object: withoutPrototype(value) } : { fault: 'not an object' };
}

/** @returns the value of a text, or undefined where it is no JSON (RFC 8259): the same in every engine */
export function parseJson(text: string): unknown {
  try {
    return isEngineLenient() && !isJson(text) ? undefined : (JSON.parse(text) as unknown);
  } catch (_) {
    return undefined;
  }
}

const engine: { isLenient?: boolean } = {};

// Texts that engines take for numbers against RFC 8259: njs 1.0.2 `+1` and `01`, njs 0.8.9 `01`, `1.` and `.5`.
const noNumbers = ['+1', '01', '1.', '.5'];

function isEngineLenient(): boolean {
  if (engine.isLenient === undefined) engine.isLenient = noNumbers.some(isTaken);
  return engine.isLenient;
}

function isTaken(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (_) {
    return false;
  }
}

const escaped = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/g;
const strings = /"[^"\\\x00-\x1f]*"/g;
const scalars =
  /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![0-9A-Za-z+.-])|(?:true|false|null)(?![0-9A-Za-z])/g;
const emptyOrFull = /\[(?:[sv](?:,[sv])*)?\]|\{(?:s:[sv](?:,s:[sv])*)?\}/g;

/**
 * Whether a text is JSON (RFC 8259), for engines whose parser accepts more. Each string becomes `s` and each other
 * scalar `v`. Then each array or object of these letters becomes `v`, the innermost first, until a letter is left.
 */
export function isJson(text: string): boolean {
  if (/[\x00-\x08\x0b\x0c\x0e-\x1f]/.test(text)) return false;
  let shape = text.replace(escaped, '_').replace(strings, '\x01').replace(scalars, '\x02');
  if (/[^\x01\x02[\]{},: \t\n\r]/.test(shape)) return false;
  shape = shape
    .replace(/[ \t\n\r]+/g, '')
    .replace(/\x01/g, 's')
    .replace(/\x02/g, 'v');
  for (let depth = 0; depth <= maxDepth && shape.length > 1; depth++) {
    const inner = shape.replace(emptyOrFull, 'v');
    if (inner === shape) return false;
    shape = inner;
  }
  return shape === 's' || shape === 'v';
}

function withoutPrototype(object: UnverifiedObject): UnverifiedObject {
  return Object.setPrototypeOf(object, null) as UnverifiedObject;
}

/** Whether a parsed value is an object, neither null nor an array. */
export function isJsonObject(value: unknown): value is UnverifiedObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @returns a member of the object itself, never of its prototype */
export function ownMember(object: UnverifiedObject, name: string): unknown {
  return Object.prototype.hasOwnProperty.call(object, name) ? object[name] : undefined;
}

/**
 * Finds a member that an object has twice: JSON.parse keeps the last one, and RFC 8259 section 4 leaves it open.
 * @param text valid JSON
 * @returns the name of the first doubled member, or undefined
 */
export function findDoubledMember(text: string): string | undefined {
  const tokens = text.match(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/g) || [];
  const open: { [name: string]: true }[] = []; // the names of each array and object around a token
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    if (token === '{' || token === '[') open.push(Object.create(null) as { [name: string]: true });
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const name = JSON.parse(tokens[i - 1] as string) as string;
      const names = open[open.length - 1] as { [name: string]: true };
      if (names['member ' + name]) return name;
      names['member ' + name] = true;
    }
  }
  return undefined;
}

// The depth is counted on the text, before a parser recurses into it; brackets within strings do not count.
function isDeep(text: string): boolean {
  if (text.split('{').length + text.split('[').length <= maxDepth + 2) return false;
  const bare = text.replace(/"(?:[^"\\]|\\.)*"/g, '');
  let depth = 0;
  for (let i = 0; i < bare.length; i++) {
    const character = bare.charAt(i);
    if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    if (depth > maxDepth) return true;
  }
  return false;
}
