// Which bundle and which guard an installation gets: what was asked for, what the operator's configuration already
// runs on, what this njs can do.

import type { InstalledNginx } from '../../build/installed_nginx.js';
import type { OperatorConfig } from '../../nginx/operator_config.js';
import { CommandFault } from './output.js';

export interface Asked {
  engine: 'qjs' | 'njs' | 'auto';
  entry: 'access' | 'auth_request' | 'auto';
}

export interface Choice {
  engine: 'qjs' | 'njs';
  entry: 'access' | 'auth_request';
  /** Whether `js_engine` has to be added to http. */
  addsEngine: boolean;
  /** Why, a line each. */
  reasons: string[];
}

const bypass = '0.9.9 to 1.0.0 can be bypassed, CVE-2026-18329';

/** What is known about the place. */
export interface Situation {
  nginx: InstalledNginx;
  config: OperatorConfig | undefined;
  /** The engine of an earlier installation in the same folder. */
  earlier: 'qjs' | 'njs' | undefined;
}

/** @throws CommandFault when this nginx can't do what was asked for */
export function chooseWays(asked: Asked, situation: Situation): Choice {
  const { nginx } = situation;
  const { engine, addsEngine, reason } = chooseEngine(asked.engine, situation);
  if (!nginx.engines.includes(engine)) {
    throw new CommandFault(`njs ${nginx.njsVersion} of this nginx has no engine ${engine}`, `it has ${nginx.engines.join(' and ')}: --engine auto takes what fits`); // prettier-ignore
  }
  if (asked.entry === 'access' && !nginx.hasJsAccess) {
    throw new CommandFault(`--entry access: njs ${nginx.njsVersion} is too old: expected 1.0.1 or newer (${bypass})`, '--entry auto takes auth_request here, which is safe'); // prettier-ignore
  }
  const entry = asked.entry !== 'auto' ? asked.entry : nginx.hasJsAccess ? 'access' : 'auth_request';
  const reasons = [reason];
  if (!nginx.hasJsAccess) reasons.push(`entry auth_request: js_access needs njs 1.0.1 or newer (${bypass})`);
  return { engine, entry, addsEngine, reasons };
}

/** @returns what is wrong where the configuration guards locations in a way that this njs lets be bypassed */
export function findBypass(nginx: InstalledNginx, config: OperatorConfig | undefined): string | undefined {
  if (nginx.hasJsAccess || !config?.usesJsAccess) return undefined;
  return `your nginx.conf includes location.conf, which can be bypassed with njs ${nginx.njsVersion} (CVE-2026-18329): include location_auth_request.conf instead, now`; // prettier-ignore
}

type ChosenEngine = Pick<Choice, 'engine' | 'addsEngine'> & { reason: string };

// An engine on http level belongs to the operator: other scripts may run on it.
function chooseEngine(asked: Asked['engine'], { nginx, config, earlier }: Situation): ChosenEngine {
  const set = config?.engine;
  if (asked !== 'auto') return askedEngine(asked, config);
  if (set === 'mixed') {
    throw new CommandFault('your configuration has `js_engine qjs` and `js_engine njs`', 'say which one holds where Keygate is included: --engine qjs or --engine njs'); // prettier-ignore
  }
  if (set !== undefined)
    return { engine: set, addsEngine: false, reason: `engine ${set}: your configuration sets it` };
  if (config?.hasScripts) {
    return { engine: 'njs', addsEngine: false, reason: 'engine njs: your own scripts run on it, as no js_engine is set' }; // prettier-ignore
  }
  if (config?.runsKeygate || wrongBundle.test(nginx.configurationFault)) {
    return {
      engine: 'njs',
      addsEngine: false,
      reason: 'engine njs: Keygate runs on it, as no js_engine is set',
    };
  }
  if (config === undefined && earlier !== undefined && nginx.engines.includes(earlier)) {
    return { engine: earlier, addsEngine: earlier === 'qjs', reason: `engine ${earlier}: as before` };
  }
  const best = nginx.engines[0] as 'qjs' | 'njs';
  return { engine: best, addsEngine: best === 'qjs', reason: `engine ${best}: the best that this njs has` };
}

// What the first line of the bundle for qjs makes the other engine say; see build/bundle.js.
const wrongBundle = /is_for_js_engine_qjs/;

function askedEngine(engine: 'qjs' | 'njs', config: OperatorConfig | undefined): ChosenEngine {
  const set = config?.engine;
  if (engine === 'qjs' && set === 'njs') {
    throw new CommandFault('--engine qjs: your configuration has `js_engine njs`', 'change it there first, if your own scripts can run on qjs; or --engine auto'); // prettier-ignore
  }
  const addsEngine = engine === 'qjs' && set === undefined;
  const others = addsEngine && config?.hasScripts ? '; your own scripts will run on it too' : '';
  return { engine, addsEngine, reason: `engine ${engine}: asked for${others}` };
}
