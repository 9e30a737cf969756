// The deny list: tokens by `jti` and signing keys by `kid` that are refused although they verify.

import { splitLines } from './file_text.js';

export interface DenyList {
  jtis: { [jti: string]: true };
  kids: { [kid: string]: true };
  /** Lines that can't be parsed. Each may have named a token or a key to refuse. */
  problems: { line: number; problem: string }[];
}

const entry = /^(jti|kid):(\S.*)$/;
const countLine = /^# lines above: (\d{1,7})$/;

/**
 * Parses `denied.txt`: lines `jti:VALUE` and `kid:VALUE`; `#` starts a comment line. The admin command ends the file
 * with a comment that counts the lines above it.
 * @returns the list, or a fault where the count is wrong, since lines may be missing then
 */
export function parseDenyList(text: string): DenyList | { fault: string } {
  const list: DenyList = {
    jtis: Object.create(null) as { [jti: string]: true },
    kids: Object.create(null) as { [kid: string]: true },
    problems: [],
  };
  const lines = splitLines(text);
  for (let i = 0; i < lines.length; i++) {
    const line = (lines[i] as string).trim();
    const count = countLine.exec(line);
    if (count !== null && Number(count[1]) !== i)
      return {
        fault: `line ${i + 1} counts ${count[1]} lines above it, and there are ${i}: lines were lost, or taken out by hand (take the count out too)`,
      };
    if (line === '' || line.charAt(0) === '#') continue;
    const match = entry.exec(line);
    if (match === null) list.problems.push({ line: i + 1, problem: 'expected jti:VALUE or kid:VALUE' });
    else (match[1] === 'jti' ? list.jtis : list.kids)[match[2] as string] = true;
  }
  return list;
}

/**
 * Adds a line to the text of a deny list, and the count at its end.
 * @returns the new text, or the old text where it has the line already
 */
export function addDenial(text: string, line: string): string {
  const lines = splitLines(text).filter((one) => !countLine.test(one.trim()));
  while (lines.length > 0 && lines[lines.length - 1] === '') lines.pop();
  if (lines.indexOf(line) >= 0) return text;
  lines.push(line);
  return lines.join('\n') + `\n# lines above: ${lines.length}\n`;
}
