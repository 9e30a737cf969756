// Which request ids of clients are kept: ids that do no harm in headers and logs.

/** The form, as a pattern that JavaScript and nginx (PCRE) read alike. */
export const requestIdPattern = '^[A-Za-z0-9._-]{1,128}$';

/** Whether a client's X-Request-Id is kept; else nginx makes one. */
export function isRequestId(text: string): boolean {
  return new RegExp(requestIdPattern).test(text);
}
