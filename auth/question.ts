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

/**
 * How a question begins whose answer may be remembered: usual target, armed, no earlier decision on this request. What
 * follows is what its verdict is filed under.
 */
export const plainBeginning = '\non\n\n';

/** Whether the answer depends on nothing but the question itself, the keys and the time. */
export function isPlain(question: string): boolean {
  return question.slice(0, plainBeginning.length) === plainBeginning;
}

/**
 * Takes a question apart.
 * @param headers the ones that it ends with: to look for them in a long question would take longer than to read them
 */
export function parseQuestion(question: string, headers: CredentialHeaders): Question {
  const beginning = beginningOf(question, headers);
  if (isPlain(question)) {
    return { isUsualTarget: true, isArmed: true, settings: beginning.slice(plainBeginning.length), headers };
  }
  const [target, armed, , ...settings] = beginning.split('\n');
  return { isUsualTarget: target === '', isArmed: armed === 'on', settings: settings.join('\n'), headers };
}

const bearer = '\n\nBearer ';

/**
 * What a verdict is filed under, however the credential was sent: what a plain question ends with where it comes as
 * `Authorization: Bearer`. No other question ends so, since no header holds a line feed and three of them stand before
 * `Bearer` only where nothing else was sent.
 */
export function filedText(settings: string, credential: string): string {
  return settings + bearer + credential;
}

/** @returns the question up to its headers */
export function beginningOf(question: string, { authorization, xApiKey, apiKey }: CredentialHeaders): string {
  const characters = apiKey.length + 1 + xApiKey.length + 1 + authorization.length;
  return question.slice(0, question.length - characters);
}
