// Scopes: what a credential may do (RFC 6749 section 3.3).

const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/**
 * @param separator between scopes; several in a row count as one
 * @returns the scopes, or undefined when one holds a character that none may have
 */
export function parseScope(text: string, separator = ' '): string[] | undefined {
  const parts = text.split(separator);
  const scopes: string[] = [];
  for (let i = 0; i < parts.length; i++) {
    const scope = parts[i] as string;
    if (scope === '') continue;
    if (!scopeToken.test(scope)) return undefined;
    scopes.push(scope);
  }
  return scopes;
}

/** Whether all required scopes are held; none required is always held. */
export function holdsScopes(held: string[], required: string[]): boolean {
  return required.every((scope) => held.indexOf(scope) >= 0);
}
