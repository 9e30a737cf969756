// Which of the files that nginx judges credentials by can't be used at a start. nginx reads the files later, and
// answers 503 without them.

import { parseDenyList } from '../auth/deny_list.js';
import { readFileText } from '../auth/file_text.js';
import { parseJwks } from '../auth/jwk.js';
import { maxKeyFileBytes, parseKeyFile } from '../auth/key_file.js';
import { deniedPath } from '../cli/denied_file.js';
import { nodePlatform } from '../node/crypto.js';
import { describeFault, readRegularFile } from '../node/regular_file.js';
import { readProvidersFile } from '../settings/providers_file.js';
import { SettingsError, type Settings } from '../settings/read.js';

type Judge = (text: string) => string | undefined;

/** @returns a line for each file that can't be used now: its setting, its path and why */
export function findUnusableSources(settings: Settings): string[] {
  const { apiKeysFile, isApiKeysFileNamed, jwksPath, ignoredJwksPath } = settings;
  const keys = isApiKeysFileNamed ? judge(apiKeysFile, () => undefined) : undefined;
  const jwks = jwksPath === undefined ? undefined : judge(jwksPath, judgeJwks);
  const denied = judge(deniedPath(settings), judgeDenyList);
  const lines: string[] = [];
  if (keys !== undefined) lines.push(`API_KEYS_FILE ${apiKeysFile}: ${keys}: API keys get 503 until it can be used`);
  if (jwks !== undefined)
    lines.push(`JWKS_PATH ${jwksPath}: ${jwks}: tokens that need it get 503 until it can be used`);
  if (ignoredJwksPath !== undefined)
    lines.push(`JWKS_PATH ${ignoredJwksPath}: ignored, as JWT_PROVIDERS is set and JWT_ISSUER names no issuer`);
  lines.push(...findProviderFaults(settings));
  if (!settings.clientCertificates && judge(apiKeysFile, judgeCertificates) === uncounted)
    lines.push(`${apiKeysFile}: ${uncounted}`);
  if (denied !== undefined && denied !== 'ENOENT')
    lines.push(`${deniedPath(settings)}: ${denied}: tokens get 503 until it can be used`);
  return lines;
}

const uncounted = 'its lines of client certificates count only with CLIENT_CERTIFICATES=on';

function judgeCertificates(text: string): string | undefined {
  const { entries } = parseKeyFile(text, nodePlatform);
  return entries.some(({ kind }) => kind === 'x509' || kind === 'x509-subject') ? uncounted : undefined;
}

function findProviderFaults(settings: Settings): string[] {
  const read = readProvidersFile(settings);
  if ('providers' in read) return [];
  const { jwtProviders } = settings;
  const end = `JWT_PROVIDERS ${jwtProviders}: tokens of unknown issuers get 503 until it can be used`;
  return [...read.faults.map((fault) => `JWT_PROVIDERS ${jwtProviders}: ${fault}`), end];
}

/**
 * Two sets of keys for one issuer are no fault of a file that a later edit mends, but of settings.
 * @throws SettingsError where a provider has the issuer of MINT_ISSUER or JWT_ISSUER
 */
export function checkProviderIssuers(settings: Settings): void {
  const read = readProvidersFile(settings);
  if ('providers' in read || !read.isTaken) return;
  throw new SettingsError(read.faults.map((fault) => `JWT_PROVIDERS: ${fault}`));
}

function judge(path: string, judgeText: Judge): string | undefined {
  try {
    const { bytes } = readRegularFile(path, maxKeyFileBytes);
    if (bytes.length === 0) return 'zero bytes long';
    const content = readFileText(bytes, nodePlatform);
    return 'fault' in content ? content.fault : judgeText(content.text);
  } catch (error) {
    return describeFault(error);
  }
}

function judgeJwks(text: string): string | undefined {
  const jwks = parseJwks(text, nodePlatform);
  if ('fault' in jwks) return jwks.fault;
  return jwks.keys.length === 0 ? 'no usable key' : undefined;
}

function judgeDenyList(text: string): string | undefined {
  const list = parseDenyList(text);
  return 'fault' in list ? list.fault : undefined;
}
