// For each identity provider, why a token is refused: also where another provider's issuer stands in the token, since a
// spelling of the issuer is what is wrong most often.

import { passesTests, type ClaimTest } from '../../auth/claim_tests.js';
import { checkClaims, readUnverifiedIssuer } from '../../auth/claims.js';
import type { UnverifiedObject } from '../../auth/json.js';
import { parseToken } from '../../auth/jwt.js';
import type { Reason } from '../../auth/refusals.js';
import { groupByIssuer, type Provider } from '../../auth/token_rules.js';
import { decideToken, type TokenQuestion } from '../../auth/token_verdict.js';

export interface KnownProvider {
  provider: Provider;
  /** Whether its keys were not looked at. */
  isSkipped: boolean;
}

export interface ExplainedProvider {
  name: string;
  issuers: string[];
  isIssuer: boolean;
  /** Why the provider would not admit the token if its issuer were the token's; null where it would. */
  reason: Reason | null;
  /** What was expected, in words. */
  details: string[];
  /** Whether the keys were looked at. */
  isVerified: boolean;
}

/** Explains a token to each provider. */
export function explainProviders(
  question: TokenQuestion,
  claims: UnverifiedObject,
  known: KnownProvider[],
): Promise<ExplainedProvider[]> {
  return Promise.all(known.map((one) => explainProvider(question, claims, one)));
}

async function explainProvider(
  question: TokenQuestion,
  claims: UnverifiedObject,
  { provider, isSkipped }: KnownProvider,
): Promise<ExplainedProvider> {
  const { name, issuers } = provider;
  const issuer = readUnverifiedIssuer(claims);
  const reason = isSkipped ? judgeClaims(question, claims, provider) : await judge(question, issuer, provider);
  const isIssuer = issuer !== undefined && issuers.includes(issuer);
  const details = reason === null ? [] : detailsOf(reason, claims, provider);
  return { name, issuers, isIssuer, reason, details, isVerified: !isSkipped };
}

async function judge(question: TokenQuestion, issuer: string | undefined, provider: Provider): Promise<Reason | null> {
  const asIts = groupByIssuer([{ ...provider, issuers: issuer === undefined ? [] : [issuer] }]);
  const keys = { ...question.keys, minting: undefined, providers: asIts };
  const verdict = await decideToken({ ...question, keys });
  return verdict.admitted ? null : verdict.reason;
}

function judgeClaims(question: TokenQuestion, claims: UnverifiedObject, provider: Provider): Reason | null {
  const { token, nowSeconds, platform, certificateThumbprint } = question;
  const parsed = parseToken(token, platform);
  const { algorithms } = provider;
  if ('algorithm' in parsed && algorithms?.includes(parsed.algorithm) === false) return 'token_provider_algorithm';
  const judged = checkClaims(claims, provider, { nowSeconds, platform, certificateThumbprint, isOurs: false });
  return 'reason' in judged ? judged.reason : null;
}

function detailsOf(reason: Reason, claims: UnverifiedObject, provider: Provider): string[] {
  const { audiences, algorithms = [], require = [], subject = [] } = provider;
  if (reason === 'token_audience') return [`expected ${audiences === 'any' ? 'any' : audiences.join(' or ')}`];
  if (reason === 'token_provider_algorithm') return [`expected ${algorithms.join(' or ')}`];
  if (reason === 'token_no_subject' || reason === 'token_subject')
    return [`expected in ${subject.map((path) => path.name).join(' or ')}`];
  if (reason !== 'token_require') return [];
  return require.flatMap((test, i) => (passesTests(claims, [test]) ? [] : [`require[${i}]: ${describeTest(test)}`]));
}

function describeTest(test: ClaimTest): string {
  const { name } = test.claim;
  if (test.kind === 'contains') return `${name} contains ${JSON.stringify(test.value)}`;
  if (test.kind === 'matches') return `${name} matches ${JSON.stringify(test.pieces.join('*'))}`;
  return `${name} is ${test.values.map((value) => JSON.stringify(value)).join(' or ')}`;
}
