// Which names are misspelt settings: a misspelt REQUIRE_SCOPE must not leave a gateway open.

import { SettingsError } from './read.js';
import { containerSettings, fromFiles, podSettings, table } from './table.js';

/** Names with these prefixes are meant for Keygate. */
const prefixes =
  /^(?:KEYGATE_|API_KEY|KEYS_|JWKS_|JWT_|MINT_|REQUIRE_|FORWARD_|BCRYPT_|RATE_LIMIT|TRUSTED_PROX|CORS_|VERIFIER_|UPSTREAM_|HOST_CERTS|AUTH_ENTRY|JS_ENGINE|NGINX_|METRICS_|NAME_SERVER|RELOAD_ON_|STATE_DIR|REDIS_|CLUSTER_|NODE_NAME)/;

export interface UnknownNames {
  /** A line for each name that is a letter (a long name: two) away from a setting that is not set. */
  faults: string[];
  /** A line for each other name that begins like a setting. */
  warnings: string[];
}

/**
 * Finds names that are no settings.
 * @param env the environment, the settings file included
 * @param fileNames the names in the settings file: there a misspelling counts whatever it begins with
 */
export function findUnknownNames(env: NodeJS.ProcessEnv, fileNames: string[] = []): UnknownNames {
  const ofFiles = fromFiles.map((name) => `${name}_FILE`);
  const known = [...Object.keys(table), ...containerSettings, ...podSettings, ...ofFiles];
  const found: UnknownNames = { faults: [], warnings: [] };
  const names = Object.keys(env).filter((name) => prefixes.test(name) || fileNames.includes(name));
  for (const name of new Set(names)) {
    if (known.includes(name)) continue;
    const most = name.length < 10 ? 1 : 2;
    const meant = known.find((one) => distance(name, one) <= most && !env[one]);
    if (meant !== undefined) found.faults.push(`${name}: no such setting: expected ${meant}`);
    else if (prefixes.test(name)) found.warnings.push(`${name} is no setting of Keygate`);
  }
  return found;
}

/**
 * Warns on stderr of names that only look like settings.
 * @throws SettingsError with every misspelt setting
 */
export function checkNames(env: NodeJS.ProcessEnv, fileNames?: string[]): void {
  const { faults, warnings } = findUnknownNames(env, fileNames);
  for (const warning of warnings) console.error(`keygate: warning: ${warning}`);
  if (faults.length > 0) throw new SettingsError(faults);
}

/** How many letters have to be put in, left out or changed (Levenshtein). */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, i) => i);
  for (let i = 1; i <= one.length; i++) {
    const next = [i];
    for (let j = 1; j <= other.length; j++) {
      const change = (row[j - 1] as number) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, change));
    }
    row = next;
  }
  return row[other.length] as number;
}
