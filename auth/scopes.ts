// Scopes: what a credential may do (RFC 6749 section 3.3).

const scopeTokens = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/** @returns the scopes of a space-separated text, or undefined when one holds a character that none may have */
export function parseScope(text: string): string[] | undefined {
  return scopeTokens.test(text) ? text.split(' ').filter((scope) => scope !== '') : undefined;
}

/** Whether all required scopes are held; none required is always held. */
export function holdsScopes(held: string[], required: string[]): boolean {
  return required.every((scope) => held.indexOf(scope) >= 0);
}
