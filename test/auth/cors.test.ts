// A page in a browser that would like to read an answer of ours, and one that must not.

import { describe, expect, it } from 'vitest';
import { formatRefusal } from '../../auth/answer.js';
import { exposedHeaders, foreignOrigin, formatCors, formatPreflight } from '../../auth/cors.js';
import { formatLimitHeaders } from '../../auth/limit_headers.js';
import { refusals, type Reason } from '../../auth/refusals.js';

const page = 'https://app.example:8443';
const vary: [string, string] = ['Vary', 'Origin'];
const exposed = exposedHeaders.split(', ').map((name) => name.toLowerCase());

describe('formatCors', () => {
  it('lets the page read the answer, and tells caches that another page gets another', () => {
    expect(formatCors(page)).toEqual([
      vary,
      ['Access-Control-Allow-Origin', page],
      ['Access-Control-Expose-Headers', exposedHeaders],
    ]);
  });

  it('lets another page read nothing, and tells caches so', () => {
    expect(formatCors(foreignOrigin)).toEqual([vary]);
  });

  it('says nothing where no page may read our answers', () => {
    expect(formatCors('')).toEqual([]);
  });

  it('makes a list of its own each time: what a caller adds reaches no other answer', () => {
    formatCors(foreignOrigin).push(['Access-Control-Allow-Origin', page]);
    formatPreflight(page).push(['Access-Control-Allow-Credentials', 'true']);
    expect(formatCors(foreignOrigin)).toEqual([vary]);
    expect(formatPreflight(page)).toHaveLength(6);
  });

  // Those of the Fetch standard, and Allow, which tells a page nothing that it could do.
  const readAnyway = ['cache-control', 'content-type', 'allow'];

  it.each(Object.keys(refusals()) as Reason[])('exposes every header of the refusal %s', (reason) => {
    const { headers } = formatRefusal(reason, {
      retryAfterMs: 90000,
      allow: 'POST',
      requiredScope: 'a',
      lackingScope: 'a',
    });
    const names = headers.map(([name]) => name.toLowerCase()).filter((name) => !readAnyway.includes(name));
    expect(exposed).toEqual(expect.arrayContaining(names));
  });

  it.each(['openai', 'anthropic'])('exposes the headers of a limit as %s names them', (dialect) => {
    const names = formatLimitHeaders(`${dialect} 20 3 1s`).map(([name]) => name.toLowerCase());
    expect(names).toHaveLength(3);
    expect(exposed).toEqual(expect.arrayContaining(names));
  });
});

describe('formatPreflight', () => {
  const valuesOf = (origin: string) => Object.fromEntries(formatPreflight(origin)) as { [name: string]: string };

  it('lets the page send a key by POST, and neither cookies nor other methods', () => {
    const values = valuesOf(page);
    expect(values).toMatchObject({
      Vary: 'Origin',
      'Access-Control-Allow-Origin': page,
      'Access-Control-Allow-Methods': 'POST',
      'Access-Control-Max-Age': '600',
    });
    const allowed = values['Access-Control-Allow-Headers']?.split(', ');
    expect(allowed).toEqual(expect.arrayContaining(['authorization', 'x-api-key', 'api-key', 'content-type']));
    expect(values).not.toHaveProperty('Access-Control-Allow-Credentials');
    expect(Object.values(values)).not.toContain('*');
  });

  it('names no origin for another page', () => {
    expect(valuesOf(foreignOrigin)).not.toHaveProperty('Access-Control-Allow-Origin');
  });
});
