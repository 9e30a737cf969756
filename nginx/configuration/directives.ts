// The directives of an nginx configuration, read as nginx reads them. Quoted text and comments may hold anything.

/** One directive. */
export interface Directive {
  /** Its name and arguments, quotes included. */
  words: string[];
  /** What stands between its braces; undefined for a directive without any. */
  block: Directive[] | undefined;
  /** The file that it stands in; empty where that is not known. */
  file: string;
  /** The line there of its first word, from 1. */
  line: number;
  /** The line of its opening brace, and that of its end. */
  open?: number;
  end: number;
  /** Of an `include`: the directives of the files that it names, unless they are Keygate's or were not read. */
  included?: Directive[];
}

// Within a word a quote, a `}` and a `#` are letters; `${` opens no block.
const tokens = /#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[;{}]|(?:\$\{|\\.|[^\s;{}"'\\])(?:\$\{|\\.|[^\s;{\\])*/gs;

// What `nginx -T` prints before each file.
const header = /^# configuration file (\/.*):$/;

/**
 * Parses one file, or the text of `nginx -T`: directives of the top level, file after file. Text that ends too early is
 * parsed as far as it goes.
 */
export function parseDirectives(text: string): Directive[] {
  const top: Directive[] = [];
  const stack: Directive[] = [];
  let begun = beginDirective('', 1);
  for (const { token, file, line } of placeTokens(text)) {
    if (begun.words.length === 0 || begun.file !== file) begun = beginDirective(file, line);
    const parent = stack.at(-1);
    const current = parent?.block ?? top;
    if (token === ';') {
      if (begun.words.length > 0) current.push({ ...begun, end: line });
    } else if (token === '{') {
      begun = { ...begun, block: [], open: line, end: line };
      current.push(begun);
      stack.push(begun);
    } else if (token === '}') {
      if (parent !== undefined) parent.end = line;
      stack.pop();
    } else {
      begun.words.push(token);
      continue;
    }
    begun = beginDirective(file, line);
  }
  return top;
}

function beginDirective(file: string, line: number): Directive {
  return { words: [], block: undefined, file, line, end: line };
}

/** Each token but comments, with the file and the line that it begins in. */
function* placeTokens(text: string): Generator<{ token: string; file: string; line: number }> {
  let [file, line, counted, depth] = ['', 1, 0, 0];
  for (const { 0: token, index } of text.matchAll(tokens)) {
    line += countLines(text, counted, index);
    counted = index;
    if (!token.startsWith('#')) {
      yield { token, file, line };
      if (token === '{') depth++;
      if (token === '}' && depth > 0) depth--;
      continue;
    }
    const named = header.exec(token.trimEnd())?.[1];
    const isHeader = depth === 0 && (index === 0 || text[index - 1] === '\n'); // a file has whole blocks only
    if (named !== undefined && isHeader) [file, line] = [named, 0];
  }
}

function countLines(text: string, from: number, to: number): number {
  let lines = 0;
  for (let at = text.indexOf('\n', from); at >= 0 && at < to; at = text.indexOf('\n', at + 1)) lines++;
  return lines;
}

/** Lists directives with all that stand within them, as they were written. */
export function flatten(directives: Directive[]): Directive[] {
  return directives.flatMap((one) => [one, ...flatten(one.block ?? [])]);
}

/** A word without its quotes. */
export function unquote(word = ''): string {
  const quote = word[0];
  if (quote !== '"' && quote !== "'") return word;
  return word.slice(1, word.endsWith(quote) ? -1 : undefined).replace(/\\(["'\\])/g, '$1');
}
