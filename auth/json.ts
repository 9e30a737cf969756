// JSON objects from strangers: bounded in depth, and judged alike by every engine (RFC 8259).

/** A JSON object of which no member is checked yet. */
export interface UnverifiedObject {
  [name: string]: unknown;
}

export type JsonReading = { object: UnverifiedObject } | { fault: 'not an object' | 'nested too deep' };

/** How deep arrays and objects may be nested; the old engine itself stops at 31. */
export const maxDepth = 16;

/** Parses a text that must be a JSON object; what comes back has no prototype, so that each member is its own. */
export function parseJsonObject(text: string): JsonReading {
  if (isDeep(text)) return { fault: 'nested too deep' };
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? { object: withoutPrototype(value) } : { fault: 'not an object' };
  } catch (_) {
    return { fault: 'not an object' };
  }
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

// Counted on the text, before any parser recurses; brackets within strings do not count.
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
