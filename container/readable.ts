// Whether a container may read a mounted file, judged by owner and mode, since the check runs as another user.

import { statSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';

export interface Reader {
  name: string;
  uid: number;
  gids: number[];
}

/** The users that the images run as, and the group that they share; HOST_GID comes with `group_add`. */
export function readers(): Reader[] {
  const gids = process.getgroups?.() ?? [];
  return [
    { name: 'nginx', uid: 101, gids },
    { name: 'verifier', uid: 1000, gids },
  ];
}

/** @returns why a reader can't read the file, with its owner and mode; undefined when all can */
export function findUnreadable(path: string, by: Reader[]): string | undefined {
  for (const reader of by) {
    for (const [place, bit] of [
      [dirname(path), 1],
      [path, 4],
    ] as const) {
      const found = statOf(place);
      if (typeof found === 'string') return `${place} ${found}`;
      if (!mayUse(found, reader, bit))
        return (
          `${place} can't be read by ${reader.name} (uid ${reader.uid}, gid ${reader.gids.join(' ')}): it ` +
          `has ${describeOwner(found)}`
        );
    }
  }
  return undefined;
}

function statOf(path: string): Stats | string {
  try {
    return statSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'is missing' : `can't be read (${code})`;
  }
}

function mayUse(stats: Stats, { uid, gids }: Reader, bit: number): boolean {
  if (stats.uid === uid) return (stats.mode & (bit << 6)) !== 0;
  if (gids.includes(stats.gid)) return (stats.mode & (bit << 3)) !== 0;
  return (stats.mode & bit) !== 0;
}

/** Owner and mode of a file, for messages. */
export function describeOwner({ uid, gid, mode }: Stats): string {
  return `uid ${uid}, gid ${gid}, mode ${(mode & 0o777).toString(8).padStart(4, '0')}`;
}
