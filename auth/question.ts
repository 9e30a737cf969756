// What nginx asks: the settings of a location and the credential headers of a request, joined into
// `$keygate_question` (nginx/snippets/http.conf; rule 8 in docs/maintaining.md).

import type { CredentialHeaders } from './credential.js';

export interface Question {
  /** Whether nginx found nothing unusual about the target and Host; see target.ts. */
  isUsualTarget: boolean;
  /** Whether location.conf of this very location was included, and no decision was made since (rule 6). */
  isArmed: boolean;
  /** JWT_AUDIENCE, JWT_ISSUER, JWT_LEEWAY, REQUIRE_SCOPE, JWKS_URL, each followed by a line feed. */
  settings: string;
  /** Empty for absent; repeated ones joined by commas. */
  headers: CredentialHeaders;
}

const fields = 11;

/** How a question begins whose answer may be remembered: usual target, armed, no earlier decision on this request. */
const plainBeginning = '\non\n\n';

/** Whether the answer depends on nothing but the question itself, the keys and the time. */
export function isPlain(question: string): boolean {
  return question.slice(0, plainBeginning.length) === plainBeginning;
}

/**
 * Takes a question apart.
 * @returns its parts, or undefined when a setting holds a line feed; a header can't
 */
export function parseQuestion(question: string): Question | undefined {
  const parts = question.split('\n');
  if (parts.length !== fields) return undefined;
  return {
    isUsualTarget: parts[0] === '',
    isArmed: parts[1] === 'on',
    settings: parts.slice(3, 8).join('\n') + '\n',
    headers: {
      apiKey: parts[8] as string,
      xApiKey: parts[9] as string,
      authorization: parts[10] as string,
    },
  };
}

/**
 * What a plain question is filed under where its headers are of the usual form: one of them, `Bearer X` or a key.
 * A credential that a request merely seems to present is never filed, so finding one is proof enough.
 * @returns the settings and the credential, as decide() takes them, or undefined for a form that is not usual
 */
export function usualFileName(question: string): string | undefined {
  const parts = question.split('\n');
  const [apiKey, xApiKey, authorization] = parts.slice(8) as [string, string, string];
  const headerCharacters = apiKey.length + xApiKey.length + authorization.length + 2;
  const credential = usualCredential(authorization, xApiKey, apiKey);
  if (parts.length !== fields || credential === undefined) return undefined;
  return question.slice(plainBeginning.length, question.length - headerCharacters) + credential;
}

function usualCredential(authorization: string, xApiKey: string, apiKey: string): string | undefined {
  if (authorization === '') return xApiKey === '' ? apiKey : apiKey === '' ? xApiKey : undefined;
  const isBearer = authorization.slice(0, 7) === 'Bearer ';
  return isBearer && xApiKey === '' && apiKey === '' ? authorization.slice(7) : undefined;
}
