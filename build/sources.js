// The project's sources.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');
/** The folders that hold sources. */
export const sourceFolders =
  'auth njs monitoring nginx cluster verifier cli node settings launcher stand_in container build bench'.split(' ');

/**
 * Every source file of this project, with its text.
 * @returns {{ path: string, text: string }[]}
 */
export function readSources() {
  return readSourcesOf(root, sourceFolders);
}

/** Every source file under some folders of a project, with its text. */
export function readSourcesOf(base, folders) {
  const paths = folders.flatMap((folder) => listFiles(join(base, folder))).filter(isSource);
  return paths.map((path) => ({ path: relative(base, path), text: readFileSync(path, 'utf8') }));
}

function isSource(path) {
  return /\.(?:ts|js|mjs)$/.test(path) && !/\.d\.ts$|\.test\.ts$/.test(path);
}

/** Every file under a folder; none where there is no such folder. */
export function listFiles(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? listFiles(path) : [path];
  });
}
