// `keygate token inspect`: what the gateway would decide about a token, and for each identity provider why not.

import { X509Certificate } from 'node:crypto';
import type { Command } from 'commander';
import { readUnverifiedIssuer } from '../../auth/claims.js';
import { parseToken } from '../../auth/jwt.js';
import { parseJwks } from '../../auth/jwk.js';
import type { Jwk } from '../../auth/algorithms.js';
import { parseList } from '../../auth/location_settings.js';
import { refusals } from '../../auth/refusals.js';
import { groupByIssuer, type JwtSettings } from '../../auth/token_rules.js';
import { decideToken, type TokenQuestion } from '../../auth/token_verdict.js';
import type { Verdict } from '../../auth/verdict.js';
import { nodePlatform } from '../../node/crypto.js';
import { Fault } from '../../node/fault.js';
import { fetchText } from '../../node/fetch_text.js';
import { describeFault, readRegularFile } from '../../node/regular_file.js';
import { readGoodProviders } from '../../settings/providers_file.js';
import { readSettings, type Settings } from '../../settings/read.js';
import { print } from '../output.js';
import { isFetched, loadKeys } from '../providers/provider_keys.js';
import { readSecret } from '../secret_input.js';
import { explainClaims } from './explain_claims.js';
import { explainProviders, type ExplainedProvider, type KnownProvider } from './explain_providers.js';
import { readTrustedKeys } from './trusted_keys.js';

interface Options {
  fetch?: boolean;
  certificate?: string;
}

/** Reads a token from standard input, and explains it. */
export async function inspect(options: Options, command: Command): Promise<void> {
  const settings = readSettings(process.env);
  const token = (await readSecret('Token (not shown): ')).trim().replace(/^bearer +/i, '');
  const certificateThumbprint = options.certificate === undefined ? undefined : readThumbprint(options.certificate);
  const { known, unnamed, notes } = await readKeys(settings, options.fetch === true);
  const providers = settings.jwtProviders === undefined ? undefined : groupByIssuer(known.map((one) => one.provider));
  const question: TokenQuestion = {
    token,
    nowSeconds: Date.now() / 1000,
    settings: jwtSettings(settings),
    keys: readTrustedKeys(settings, unnamed, providers),
    platform: nodePlatform,
    certificateThumbprint,
  };
  const verdict = await decideToken(question);
  const explained = await explain(question, known);
  const reason = verdict.admitted ? undefined : verdict.reason;
  print(command, { admitted: verdict.admitted, reason: reason ?? null, ...explained }, [
    ...linesOf(explained),
    sayVerdict(verdict),
    ...notes.map((note) => `(${note})`),
  ]);
  if (!verdict.admitted) throw new Fault('');
}

function jwtSettings({ jwtIssuer = '', jwtAudience = '', jwtLeewaySeconds }: Settings): JwtSettings {
  return { issuers: parseList(jwtIssuer), audiences: parseList(jwtAudience), leewaySeconds: jwtLeewaySeconds };
}

async function explain(question: TokenQuestion, known: KnownProvider[]) {
  const parsed = parseToken(question.token, nodePlatform);
  if ('reason' in parsed) return { header: null, claims: [], providers: [] };
  const { algorithm, kid, unverifiedClaims } = parsed;
  const issuer = readUnverifiedIssuer(unverifiedClaims);
  const own = known.find(({ provider }) => issuer !== undefined && provider.issuers.includes(issuer));
  return {
    header: { alg: algorithm, kid: kid ?? null },
    claims: explainClaims(unverifiedClaims, { ...question, provider: own?.provider }),
    providers: await explainProviders(question, unverifiedClaims, known),
  };
}

function linesOf({ header, claims, providers }: Awaited<ReturnType<typeof explain>>): string[] {
  const ofHeader = header === null ? [] : [`alg: ${header.alg}`, `kid: ${header.kid ?? '(none)'}`];
  const ofClaims = claims.map(({ claim, value, verdict }) => `${claim}: ${value}  ${verdict}`);
  return [...ofHeader, ...ofClaims, ...providers.map(sayProvider)];
}

function sayProvider({ name, isIssuer, issuers, reason, details, isVerified }: ExplainedProvider): string {
  const whose = isIssuer ? 'its issuer' : `not its issuer (${issuers.join(', ')})`;
  const otherwise = isIssuer ? '' : 'but for that, ';
  const admitted = isVerified ? 'admitted' : 'its claims are accepted; the signature was not verified';
  const said = reason === null ? admitted : `refused: ${[reason, ...details].join(', ')}`;
  return `provider ${name}: ${whose}; ${otherwise}${said}`;
}

function sayVerdict(verdict: Verdict): string {
  return verdict.admitted ? 'ADMITTED' : `REFUSED: ${verdict.reason}: ${refusals()[verdict.reason].message}`;
}

function readThumbprint(path: string): string {
  try {
    return nodePlatform.sha256(new X509Certificate(readRegularFile(path, 1048576).bytes).raw);
  } catch (error) {
    throw new Fault(`can't use ${path}: ${describeFault(error)}`, 'a certificate in PEM is expected');
  }
}

interface Keys {
  known: KnownProvider[];
  /** Of JWKS_URL. */
  unnamed: Jwk[];
  /** What was not looked at. */
  notes: string[];
}

async function readKeys(settings: Settings, mayFetch: boolean): Promise<Keys> {
  const notes: string[] = [];
  const known = await Promise.all(
    readGoodProviders(settings).map(async (entry): Promise<KnownProvider> => {
      const isSkipped = isFetched(entry) && !mayFetch;
      const loaded = isSkipped ? undefined : await loadKeys(entry, settings);
      if (isSkipped) notes.push(`keys of the provider ${entry.name} were not looked at: --fetch fetches them`);
      if (loaded?.fault !== undefined) notes.push(`keys of the provider ${entry.name}: ${loaded.fault}`);
      const keys = loaded?.jwks?.keys ?? [];
      return { provider: { ...entry, keys, lacksJwks: loaded?.jwks === undefined }, isSkipped };
    }),
  );
  const unnamed = await readRemote(settings, mayFetch, notes);
  return { known, unnamed, notes };
}

async function readRemote({ jwksUrl, jwksCa }: Settings, mayFetch: boolean, notes: string[]): Promise<Jwk[]> {
  if (jwksUrl === undefined) return [];
  if (!mayFetch) {
    notes.push('keys of JWKS_URL were not looked at: --fetch fetches them');
    return [];
  }
  const fetched = await fetchText({ url: jwksUrl, caFile: jwksCa, credentialFile: undefined, timeoutMs: 10000 });
  const jwks = 'fault' in fetched ? fetched : parseJwks(fetched.text, nodePlatform);
  if ('fault' in jwks) notes.push(`keys of JWKS_URL: ${jwks.fault}`);
  return 'fault' in jwks ? [] : jwks.keys;
}
