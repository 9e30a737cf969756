// What a program prints when it fails: for a fault that its user can mend, and for any other error.

/** A fault that the person at the shell can mend: the message names the place and what was expected. */
export class Fault extends Error {
  /** @param hint what to do next. An empty message means that the program has printed everything already. */
  constructor(
    message: string,
    readonly hint?: string,
  ) {
    super(message);
  }
}

/**
 * What a program prints before it ends with an error.
 * @returns lines for standard error: each fault, then its hint; for any other error, where it happened
 */
export function explainError(error: unknown): string[] {
  if (!(error instanceof Fault)) {
    const hint = hintAbout((error as NodeJS.ErrnoException | undefined)?.code);
    return [`keygate: ${describeUnforeseen(error)}`, ...(hint === undefined ? [] : [`hint: ${hint}`])];
  }
  const lines = error.message === '' ? [] : error.message.split('\n').map((line) => `keygate: ${line}`);
  return error.hint === undefined ? lines : [...lines, `hint: ${error.hint}`];
}

// The message of a failed system call names its file; for any other error, the stack gives the place in our code.
function describeUnforeseen(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return 'code' in error ? error.message : (error.stack ?? error.message);
}

/** What to do about a system error whose remedy is the same everywhere. */
export function hintAbout(code: string | undefined): string | undefined {
  if (code === 'ENOSPC') return 'the disk is full: free some space and try again; files are as they were';
  if (code === 'EDQUOT') return 'your disk quota is used up: free some space and try again; files are as they were';
  return undefined;
}
