// Whether an installation is a line of the audit log: it changes what nginx runs, so it is, once the gateway that it is
// for has a STATE_DIR here.

import { existsSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { parseDirectives, unquote } from '../../nginx/configuration/directives.js';
import { writeAudit } from '../audit/audit_log.js';
import { readFileOf, settingsFile, type Plan, type Record } from './installed_folder.js';

export interface InstallAudit {
  /** False where the change has no line. */
  audited: boolean;
  /** What a person should know about that, where it is no fault. */
  notes: string[];
}

export interface Writing {
  dir: string;
  plan: Plan;
  before: Record | undefined;
  installed: Pick<Record, 'version' | 'engine'>;
}

/** Writes the line of an installation, unless the folder stayed as it was. */
export function auditInstall({ dir, plan, before, installed }: Writing): InstallAudit {
  const files = Object.keys(plan.steps).filter((name) => !['same', 'kept'].includes(plan.steps[name] as string));
  if (files.length === 0 && before?.version === installed.version) return { audited: true, notes: [] };
  const { version, engine } = installed;
  const named = findStateDir(dir);
  const stateDir = named !== undefined && existsSync(named) ? named : undefined;
  const audited = writeAudit(stateDir, [{ event: 'install', dir, version, engine, files: files.join(' ') }]);
  return { audited, notes: stateDir === undefined ? [explainMissing(named)] : [] };
}

// The settings of the installed folder name the gateway's STATE_DIR. The default of `npm start` is in the working
// folder, which has nothing to do with an installation.
function findStateDir(dir: string): string | undefined {
  const named = process.env['STATE_DIR']?.trim();
  if (named) return resolve(named);
  const rows = parseDirectives(readFileOf(dir, settingsFile) ?? '').map(({ words }) => words);
  const row = rows.find((words) => words[0] === 'js_var' && words[1] === '$keygate_state_dir');
  const ofSettings = unquote(row?.[2]);
  return isAbsolute(ofSettings) ? ofSettings : undefined;
}

function explainMissing(named: string | undefined): string {
  const missing = named === undefined ? 'no STATE_DIR is named' : `there is no STATE_DIR ${named} here`;
  return `this change has no line in audit.log: ${missing}`;
}
