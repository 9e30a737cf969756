// The deny list: tokens by `jti` and signing keys by `kid` that are refused although they verify.

export interface DenyList {
  jtis: { [jti: string]: true };
  kids: { [kid: string]: true };
  /** Lines that are not used. */
  problems: { line: number; problem: string }[];
}

const entry = /^(jti|kid):(\S.*)$/;

/** Parses `denied.txt`: lines `jti:VALUE` and `kid:VALUE`; `#` starts a comment line. */
export function parseDenyList(text: string): DenyList {
  const list: DenyList = {
    jtis: Object.create(null) as { [jti: string]: true },
    kids: Object.create(null) as { [kid: string]: true },
    problems: [],
  };
  const lines = text.replace(/^\ufeff/, '').split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = (lines[i] as string).trim();
    if (line === '' || line.charAt(0) === '#') continue;
    const match = entry.exec(line);
    if (match === null) list.problems.push({ line: i + 1, problem: 'expected jti:VALUE or kid:VALUE' });
    else (match[1] === 'jti' ? list.jtis : list.kids)[match[2] as string] = true;
  }
  return list;
}
