// What lets a page in a browser read an answer of ours, and ask POST /token (Fetch standard, "HTTP-CORS protocol").
// CORS_ORIGINS names the pages' origins.

/** Headers of our refusals that a page may read beside the few that it always may. */
export const exposedHeaders =
  'WWW-Authenticate, Retry-After, Retry-After-Ms, X-Should-Retry, X-Request-Id, X-Ratelimit-Limit-Requests, ' +
  'X-Ratelimit-Remaining-Requests, X-Ratelimit-Reset-Requests, Anthropic-Ratelimit-Requests-Limit, ' +
  'Anthropic-Ratelimit-Requests-Remaining, Anthropic-Ratelimit-Requests-Reset';

/** Stands for an origin that is not among those of CORS_ORIGINS (`$keygate_page_origin` in asking.conf). */
export const foreignOrigin = 'none';

type Headers = [name: string, value: string][];

/**
 * Makes the headers that an answer needs beside its others.
 * @param page the value of `$keygate_page_origin`: an origin, `none`, or empty where no page may read our answers
 */
export function formatCors(page: string): Headers {
  if (page === '') return [];
  const vary: Headers = [['Vary', 'Origin']];
  if (page === foreignOrigin) return vary;
  return vary.concat([
    ['Access-Control-Allow-Origin', page],
    ['Access-Control-Expose-Headers', exposedHeaders],
  ]);
}

/** Makes the headers of the answer to a preflight of POST /token. */
export function formatPreflight(page: string): Headers {
  return formatCors(page).concat([
    ['Access-Control-Allow-Methods', 'POST'],
    ['Access-Control-Allow-Headers', 'authorization, x-api-key, api-key, content-type, x-request-id'],
    ['Access-Control-Max-Age', '600'],
  ]);
}
