// Which bundle an installation gets: the engine is that of the decision server alone, so no script of the operator's
// has a say in it.

import type { InstalledNginx } from '../../nginx/runtime/installed_nginx.js';
import type { OperatorConfig } from '../../nginx/configuration/operator_config.js';
import { CommandFault } from '../output.js';

export interface Choice {
  engine: 'qjs' | 'njs';
  /** Why, for a person. */
  reason: string;
}

/** @throws CommandFault when this nginx lacks the engine that was asked for */
export function chooseEngine(asked: 'qjs' | 'njs' | 'auto', nginx: InstalledNginx): Choice {
  if (asked === 'auto') {
    const best = nginx.engines[0] as 'qjs' | 'njs';
    return { engine: best, reason: `engine ${best}: the best that this njs has` };
  }
  if (nginx.engines.includes(asked)) return { engine: asked, reason: `engine ${asked}: asked for` };
  throw new CommandFault(
    `njs ${nginx.njsVersion} of this nginx has no engine ${asked}`,
    `it has ${nginx.engines.join(' and ')}: --engine auto takes what fits`,
  );
}

/** @returns what is wrong where the configuration guards locations in a way that this njs lets be bypassed */
export function findBypass(nginx: InstalledNginx, config: OperatorConfig | undefined): string | undefined {
  if (nginx.hasJsAccess || !config?.usesJsAccess) return undefined;
  return (
    'your nginx.conf includes guard_access.conf, which can be bypassed with njs ' +
    `${nginx.njsVersion} (0.9.9 to 1.0.0: CVE-2026-18329) and needs 1.0.1: include guard_location.conf instead, now`
  );
}
