// What each member of a provider may be in the file of JWT_PROVIDERS. docs/providers.schema.json says the same for
// editors; a test compares them.

import { algorithms, isAlgorithm, isSameAlgorithm, type SignatureAlgorithm } from './algorithms.js';
import { hasOtherMeaning } from './credential_headers.js';
import { parseClaimPath, type ClaimPath } from './claim_path.js';
import { parsePattern, type ClaimTest, type Scalar } from './claim_tests.js';
import {
  expected,
  listOf,
  membersOf,
  oneOrListOf,
  optional,
  textOf,
  type Members,
  type Place,
  type Reader,
} from './file_members.js';
import { isJsonObject, maxDepth } from './json.js';
import type { TokenRules } from './token_rules.js';

/** Where a provider's keys are: a file, a URL, or what its issuer's metadata name. */
export type JwksPlace = { file: string } | { url: string } | 'discover';

/** A provider as the file describes it. */
export interface ProviderEntry extends TokenRules {
  name: string;
  /** At least one; keys are discovered by the metadata of the first. */
  issuers: string[];
  jwks: JwksPlace;
  /** The file with the certificate authorities of the server that has the keys. */
  ca: string | undefined;
  /** The file with a token to send when keys are fetched. */
  credential: string | undefined;
  /** A header in which clients may send tokens of this provider. */
  header: string | undefined;
  /** The claims that the upstream gets. */
  claims: ClaimPath[];
}

/** @returns the file with a provider's keys; undefined where they are fetched */
export function jwksFileOf({ jwks }: Pick<ProviderEntry, 'jwks'>): string | undefined {
  return typeof jwks === 'object' && 'file' in jwks ? jwks.file : undefined;
}

/** @returns the URL of a provider's keys; undefined where they are in a file or discovered */
export function jwksUrlOf({ jwks }: Pick<ProviderEntry, 'jwks'>): string | undefined {
  return typeof jwks === 'object' && 'url' in jwks ? jwks.url : undefined;
}

/**
 * Whether the sidecar fetches a provider's keys. nginx has one set of certificate authorities for all, sends no
 * credential, and can't verify the certificate of an IP address.
 */
export function isFetchedBySidecar(entry: ProviderEntry): boolean {
  const { jwks, issuers, ca, credential } = entry;
  const url = jwks === 'discover' ? issuers[0] : jwksUrlOf(entry);
  return (
    ca !== undefined ||
    credential !== undefined ||
    (url !== undefined && /^https:\/\/(?:[0-9.]+|\[.*)(?:[:/]|$)/.test(url))
  );
}

const maxLeewaySeconds = 9999;
const maxWildcards = 16;

// Functions, and no constants: nginx's old engine runs top-level code on every request.

/** Reads a provider; what is missing has its default. */
export function readProvider(value: unknown, place: Place): ProviderEntry | undefined {
  const names = 'name issuer audience jwks algorithms ca leeway require subject scopes claims credential header'.split(
    ' ',
  );
  const members = membersOf(value, names, place);
  if (members === undefined) return undefined;
  const { has, read } = members;
  const jwks = read('jwks', readJwks) as JwksPlace;
  if (jwksFileOf({ jwks }) !== undefined && (has('ca') || has('credential')))
    expected('no ca and no credential: the keys are in a file, and nothing is fetched', place);
  return {
    name: read('name', readName) as string,
    issuers: read('issuer', jwks === 'discover' ? readIssuersToAsk : readIssuers) as string[],
    audiences: read('audience', readAudiences) as string[] | 'any',
    jwks,
    algorithms: read('algorithms', optional(readAlgorithms, undefined)),
    ca: read('ca', optional(readPath, undefined)),
    leewaySeconds: read('leeway', optional(readLeeway, 30)) as number,
    require: read('require', optional(listOf(readTest, { max: 32, what: 'tests' }), [])),
    subject: read('subject', optional(readClaimPaths, [parseClaimPath('sub')])),
    scopes: read('scopes', optional(readClaimPaths, ['scope', 'scp'].map(parseClaimPath))),
    claims: read('claims', optional(listOf(readClaimPath, { max: 8, what: 'claims' }), [])) as ClaimPath[],
    credential: read('credential', optional(readPath, undefined)),
    header: read('header', optional(readHeader, undefined)),
  };
}

function readName(value: unknown, place: Place): string | undefined {
  const what = 'up to 64 letters, digits, dots, - and _, but not any';
  return readUnlessAny(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, what)(value, place);
}

/** Reads a text in a place where the word `any` would be taken for a wildcard. */
function readUnlessAny(pattern: RegExp, what: string): Reader<string> {
  const readText = textOf(pattern, what);
  return (value, place) => (value === 'any' ? expected(what, place) : readText(value, place));
}

function readIssuers(value: unknown, place: Place): string[] | undefined {
  const what = 'up to 256 characters of printable ASCII without spaces, but not any';
  return oneOrListOf(readUnlessAny(/^[\x21-\x7e]{1,256}$/, what), { max: 16, what: 'issuers' })(value, place);
}

// OpenID Connect Discovery section 4.1, RFC 8414 section 3: a path is added to the issuer.
function readIssuersToAsk(value: unknown, place: Place): string[] | undefined {
  const issuers = readIssuers(value, place);
  const first = issuers && issuers[0];
  if (first !== undefined && (!isHttpsUrl(first) || first.indexOf('?') >= 0))
    return expected('first an issuer that is a URL starting with https://, without query, to discover by', place);
  return issuers;
}

function readAudiences(value: unknown, place: Place): string[] | 'any' | undefined {
  if (value === 'any') return 'any';
  const what = 'up to 256 characters of printable ASCII, but not any';
  if (value === undefined) return expected('an audience, a list of audiences, or the word any', place);
  return oneOrListOf(readUnlessAny(/^[\x20-\x7e]{1,256}$/, what), { max: 16, what: 'audiences' })(value, place);
}

function readJwks(value: unknown, place: Place): JwksPlace | undefined {
  if (value === 'discover') return value;
  if (!isJsonObject(value)) return expected('{"file": ...}, {"url": ...} or the word discover', place);
  const members = membersOf(value, ['file', 'url'], place) as Members;
  if (members.has('file') === members.has('url')) return expected('either file or url', place);
  if (members.has('file')) return { file: members.read('file', readPath) as string };
  return { url: members.read('url', readUrl) as string };
}

function readPath(value: unknown, place: Place): string | undefined {
  return textOf(/^[^\x00-\x1f\x7f]{1,1024}$/, 'the path of a file')(value, place);
}

function readUrl(value: unknown, place: Place): string | undefined {
  return typeof value === 'string' && isHttpsUrl(value)
    ? value
    : expected('a URL starting with https://, without user or fragment', place);
}

/** Whether a text is a URL of https from which keys may be fetched: without user and fragment. */
export function isHttpsUrl(text: string): boolean {
  return /^https:\/\/(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:\/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,1024})?$/.test(
    text,
  );
}

function readLeeway(value: unknown, place: Place): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= maxLeewaySeconds && value % 1 === 0
    ? value
    : expected(`a whole number of seconds from 0 to ${maxLeewaySeconds}`, place);
}

// The algorithm of Ed25519 has two names, and a token may use either.
function readAlgorithms(value: unknown, place: Place): SignatureAlgorithm[] | undefined {
  const names = Object.keys(algorithms) as SignatureAlgorithm[];
  const readOne: Reader<SignatureAlgorithm> = (one, at) =>
    isAlgorithm(one) ? one : expected(`one of ${names.join(', ')}`, at);
  const listed = listOf(readOne, { max: names.length, what: 'algorithms' })(value, place) || [];
  return names.filter((name) => listed.some((one) => isAlgorithm(one) && isSameAlgorithm(one, name)));
}

function readTest(value: unknown, place: Place): ClaimTest | undefined {
  const kinds = ['equals', 'one_of', 'contains', 'matches'];
  const members = membersOf(value, ['claim'].concat(kinds), place);
  if (members === undefined) return undefined;
  const { has, read } = members;
  const claim = read('claim', readClaimPath) as ClaimPath;
  if (kinds.filter(has).length !== 1) return expected(`one of ${kinds.join(', ')}, and no two`, place);
  if (has('contains')) return { claim, kind: 'contains', value: read('contains', readScalar) as Scalar };
  if (has('matches')) return { claim, kind: 'matches', pieces: read('matches', readPieces) as string[] };
  if (has('equals')) return { claim, kind: 'one_of', values: [read('equals', readScalar) as Scalar] };
  const values = read('one_of', listOf(readScalar, { max: 256, what: 'values' })) as Scalar[];
  return { claim, kind: 'one_of', values };
}

function readScalar(value: unknown, place: Place): Scalar | undefined {
  const isText = typeof value === 'string' && value.length <= 512;
  if (isText || typeof value === 'boolean' || (typeof value === 'number' && isFinite(value))) return value;
  return expected('true, false, a number, or a text of up to 512 characters', place);
}

function readPieces(value: unknown, place: Place): string[] | undefined {
  const pattern = textOf(/^[^\x00-\x1f\x7f]{1,512}$/, 'a text of up to 512 characters')(value, place);
  if (pattern === undefined) return undefined;
  const pieces = parsePattern(pattern);
  if (pieces.length > maxWildcards + 1) return expected(`at most ${maxWildcards} asterisks`, place);
  return /[^*]/.test(pattern) ? pieces : expected('more than asterisks, which match every text', place);
}

function readClaimPaths(value: unknown, place: Place): ClaimPath[] | undefined {
  return oneOrListOf(readClaimPath, { max: 8, what: 'claims' })(value, place);
}

function readClaimPath(value: unknown, place: Place): ClaimPath | undefined {
  const what = `the name of a claim: up to 256 characters, with at most ${maxDepth} parts between dots`;
  const name = textOf(/^[^\x00-\x1f\x7f]{1,256}$/, what)(value, place);
  const path = name === undefined ? undefined : parseClaimPath(name);
  return path !== undefined && path.parts.length > maxDepth ? expected(what, place) : path;
}

function readHeader(value: unknown, place: Place): string | undefined {
  const what = 'the name of a header that has no other meaning: letters, digits and -';
  const header = textOf(/^[A-Za-z][A-Za-z0-9-]{0,63}$/, what)(value, place);
  return header !== undefined && hasOtherMeaning(header.toLowerCase()) ? expected(what, place) : header;
}
