// The directives of an nginx configuration, as `nginx -T` prints it. Quoted text and comments may hold anything.

/** One directive. */
export interface Directive {
  /** Its name and arguments, quotes included. */
  words: string[];
  /** What stands between its braces; undefined for a directive without any. */
  block: Directive[] | undefined;
}

const tokens = /#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[;{}]|(?:\$\{[^}]*\}|\\.|[^\s;{}"'\\])+/gs;

/** Parses a configuration; a torn one as far as it goes. */
export function parseDirectives(text: string): Directive[] {
  const top: Directive[] = [];
  const stack = [top];
  let words: string[] = [];
  for (const [token] of text.matchAll(tokens)) {
    if (token.startsWith('#')) continue;
    const current = stack.at(-1) ?? top;
    if (token === '}') {
      if (stack.length > 1) stack.pop();
    } else if (token === ';') {
      if (words.length > 0) current.push({ words, block: undefined });
    } else if (token === '{') {
      const block: Directive[] = [];
      current.push({ words, block });
      stack.push(block);
    } else {
      words.push(token);
      continue;
    }
    words = [];
  }
  return top;
}

/** Lists directives with all that stand within them, as they were written. */
export function flatten(directives: Directive[]): Directive[] {
  return directives.flatMap((one) => [one, ...flatten(one.block ?? [])]);
}
