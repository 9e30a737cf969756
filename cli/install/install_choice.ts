// Which bundle an installation gets. Only the decision server runs on the chosen engine, so that the engine of the
// operator's own scripts does not matter.

import type { InstalledNginx } from '../../nginx/runtime/installed_nginx.js';
import type { OperatorConfig } from '../../nginx/configuration/operator_config.js';
import { checkJsAccess, type Engine } from '../../nginx/versions.js';
import { Fault } from '../../node/fault.js';

export interface Choice {
  engine: Engine;
  /** Why, for a person. */
  reason: string;
}

/** @throws Fault when this nginx lacks the engine that was asked for */
export function chooseEngine(asked: 'qjs' | 'njs' | 'auto', nginx: InstalledNginx): Choice {
  if (asked === 'auto') {
    const best = nginx.engines[0] as Engine;
    return { engine: best, reason: `engine ${best}: the best that this njs has` };
  }
  if (nginx.engines.includes(asked)) return { engine: asked, reason: `engine ${asked}: asked for` };
  throw new Fault(
    `njs ${nginx.njsVersion} of this nginx has no engine ${asked}`,
    `it has ${nginx.engines.join(' and ')}: --engine auto takes what fits`,
  );
}

/** @returns what is wrong where the configuration uses guard_access.conf, and js_access of this njs is not safe */
export function checkAccessGuard(nginx: InstalledNginx, config: OperatorConfig | undefined): string | undefined {
  if (!config?.usesJsAccess) return undefined;
  const { njsVersion } = nginx;
  const needs = checkJsAccess({ njsVersion, engine: 'qjs' });
  if (needs === undefined) return undefined;
  return `your nginx.conf includes guard_access.conf, which ${needs}: include guard_location.conf instead, now`;
}
