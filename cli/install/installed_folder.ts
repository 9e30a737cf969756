// The folder that `keygate install` writes. A record has the SHA-256 of each file, so that a later installation sees
// what an operator has changed, and keeps it.

import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { readIfThere } from '../../node/state_files.js';
import { Fault, hintAbout } from '../../node/fault.js';

/** What was installed, as DIR/.keygate-installed.json records it. */
export interface Record {
  version: string;
  engine: 'qjs' | 'njs';
  prefix: string;
  /** Where the decision server listens. */
  decision: string;
  /** The further headers in which a credential may stand. */
  credentialHeaders: string[];
  /** SHA-256 of each file as it was installed, in hex. */
  files: { [name: string]: string };
}

export type Files = { [name: string]: string };

/**
 * What happens to a file. `saved`: it was changed by hand, and a copy is kept beside it. A settings.conf that was
 * changed is `kept`, or `beside` where this version ships another: the shipped file goes to settings.conf.new.
 */
export type Step = 'same' | 'new' | 'updated' | 'saved' | 'kept' | 'beside';

export interface Plan {
  steps: { [name: string]: Step };
  /** Files of an earlier version that are not part of this one. */
  leftOver: string[];
}

/** The one file that is the operator's to edit. */
export const settingsFile = 'settings.conf';
const recordFile = '.keygate-installed.json';

/** @returns the record, or undefined where there is no usable record */
export function readInstallRecord(dir: string): Record | undefined {
  const text = readFileOf(dir, recordFile);
  if (text === undefined) return undefined;
  try {
    const { version, engine, prefix, decision, credentialHeaders, files } = JSON.parse(text) as Partial<Record>;
    if (!version || !files || (engine !== 'qjs' && engine !== 'njs')) return undefined;
    return {
      version,
      engine,
      prefix: prefix ?? '',
      decision: decision ?? '127.0.0.1:9147',
      credentialHeaders: credentialHeaders ?? [],
      files,
    };
  } catch {
    return undefined;
  }
}

/** @returns the text of a file in the folder, or undefined when there is none */
export function readFileOf(dir: string, name: string): string | undefined {
  try {
    return readIfThere(join(dir, name));
  } catch (error) {
    throw new Fault(
      `can't read ${join(dir, name)} (${(error as NodeJS.ErrnoException).code})`,
      'run this as the owner of the folder',
    );
  }
}

/** Compares the folder with what is to be in it. */
export function planInstall(dir: string, wanted: Files, record: Record | undefined): Plan {
  const steps: Plan['steps'] = {};
  for (const [name, text] of Object.entries(wanted)) {
    const current = readFileOf(dir, name);
    if (current === undefined) steps[name] = 'new';
    else if (current === text) steps[name] = 'same';
    else if (record?.files[name] === digest(current)) steps[name] = 'updated';
    else if (name !== settingsFile) steps[name] = 'saved';
    else steps[name] = record?.files[name] === digest(text) ? 'kept' : 'beside';
  }
  const leftOver = Object.keys(record?.files ?? {}).filter(
    (name) => wanted[name] === undefined && readFileOf(dir, name) !== undefined,
  );
  return { steps, leftOver };
}

export interface Writing {
  dir: string;
  wanted: Files;
  plan: Plan;
  record: Omit<Record, 'files'>;
}

/**
 * Writes the files: all of them beside their places first, so that a full disk changes nothing; then each is moved.
 * @returns for each file that was changed by hand, the name of its copy
 */
export function writeFolder({ dir, wanted, plan, record }: Writing): Files {
  const files: Files = {};
  const moves: [string, string][] = [];
  const kept: Files = {};
  const ending = `orig-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}`;
  try {
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    for (const [name, text] of Object.entries(wanted)) {
      const step = plan.steps[name];
      files[name] = digest(text);
      if (step === 'same' || step === 'kept') continue;
      if (step === 'saved') kept[name] = `${name}.${ending}`;
      const place = step === 'beside' ? `${name}.new` : name;
      moves.push([stage(dir, place, text), join(dir, place)]);
    }
    for (const [name, copy] of Object.entries(kept))
      copyFileSync(join(dir, name), join(dir, copy), constants.COPYFILE_EXCL);
    const text = `${JSON.stringify({ ...record, files }, null, 2)}\n`;
    moves.push([stage(dir, recordFile, text), join(dir, recordFile)]);
    for (const [from, to] of moves) renameSync(from, to);
  } catch (error) {
    for (const [from] of moves) rmSync(from, { force: true });
    throw new Fault(
      `can't write to ${dir} (${(error as NodeJS.ErrnoException).code})`,
      hintAbout((error as NodeJS.ErrnoException).code) ??
        'run this as root, or as the owner of the folder; what was there is still in use',
    );
  }
  return kept;
}

const secretFiles = ['decision_secret.conf', 'decision_asker.conf']; // nginx's master reads them, as root

function stage(dir: string, name: string, text: string): string {
  const path = join(dir, `.${name}.${process.pid}.tmp`);
  const mode = secretFiles.includes(name) ? 0o600 : 0o644;
  const file = openSync(path, 'wx', mode);
  try {
    writeFileSync(file, text); // all of it, or it throws
    fchmodSync(file, mode); // whatever the umask
    fsyncSync(file);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
  return path;
}

/** SHA-256 in hex. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
