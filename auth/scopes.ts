// Scopes: what a credential may do (RFC 6749 section 3.3).

const scopeTokens = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/**
 * @param separator between scopes; several in a row count as one
 * @returns the scopes, or undefined when one holds a character that none may have
 */
export function parseScope(text: string, separator = ' '): string[] | undefined {
  if (!scopeTokens.test(text)) return undefined;
  const scopes = text.split(separator);
  return scopes.indexOf('') < 0 ? scopes : scopes.filter((scope) => scope !== '');
}

/** Whether all required scopes are held; none required is always held. */
export function holdsScopes(held: string[], required: string[]): boolean {
  return required.every((scope) => held.indexOf(scope) >= 0);
}
