// The state of a node on its disk, which the admin command and the sidecar edit and nginx reads.

import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseSnapshot } from '../../auth/snapshot.js';
import { emptySnapshot } from '../../cluster/merge.js';
import { editSnapshot, readSnapshot, restoreSnapshot, snapshotPath } from '../../cluster/snapshot_file.js';

const makeStateDir = () => mkdtempSync(join(tmpdir(), 'keygate-snapshot-'));

describe('snapshot.json', () => {
  it('is for its owner and his group, folder and all', async () => {
    const stateDir = makeStateDir();
    expect(readSnapshot(stateDir)).toBeUndefined();
    const old = process.umask(0);
    await editSnapshot(stateDir, () => ({ ...emptySnapshot, number: 1 })).finally(() => process.umask(old));
    expect(statSync(snapshotPath(stateDir)).mode & 0o777).toBe(0o640);
    expect(statSync(join(stateDir, 'shared')).mode & 0o777).toBe(0o750);
    expect(readdirSync(join(stateDir, 'shared'))).toEqual(['snapshot.json']);
    expect(readSnapshot(stateDir)?.number).toBe(1);
  });

  it('leaves a folder that is there as it is, such as that of a pod, which belongs to root', async () => {
    const stateDir = makeStateDir();
    const folder = join(stateDir, 'shared');
    mkdirSync(folder);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(folder, 0, 10500);
    chmodSync(folder, 0o2777);
    const before = statSync(folder);
    await editSnapshot(stateDir, () => ({ ...emptySnapshot, number: 1 }));
    writeFileSync(snapshotPath(stateDir), '{');
    await restoreSnapshot(stateDir, { ...emptySnapshot, number: 2 });
    const { mode, uid, gid } = statSync(folder);
    expect([mode, uid, gid]).toEqual([before.mode, before.uid, before.gid]);
    expect(statSync(snapshotPath(stateDir)).gid).toBe(before.gid); // the group of nginx reads it
  });

  it('reads as nginx reads it', async () => {
    const stateDir = makeStateDir();
    const snapshot = { number: 3, keys: ['a:key "x" \\ é'], revoked: ['r'], denied: ['jti:1'] };
    await editSnapshot(stateDir, () => snapshot);
    expect(parseSnapshot(readFileSync(snapshotPath(stateDir), 'utf8'))).toEqual(snapshot);
  });

  it('stays as it is where a change finds nothing to do', async () => {
    const stateDir = makeStateDir();
    await editSnapshot(stateDir, (snapshot) => snapshot);
    expect(readdirSync(join(stateDir, 'shared'))).toEqual([]);
  });

  it('loses no edit of several at once', async () => {
    const stateDir = makeStateDir();
    const edits = Array.from({ length: 20 }, (_, i) =>
      editSnapshot(stateDir, (own = emptySnapshot) => ({ ...own, denied: [...own.denied, `jti:${i}`] })),
    );
    await Promise.all(edits);
    expect(readSnapshot(stateDir)?.denied).toHaveLength(20);
  });

  it.each(['{', '{"number":1}', '[]', '{"number":-1,"keys":[],"revoked":[],"denied":[]}'])(
    'is not written over where it is damaged: %s',
    async (text) => {
      const stateDir = makeStateDir();
      await editSnapshot(stateDir, () => emptySnapshot);
      writeFileSync(snapshotPath(stateDir), text);
      expect(() => readSnapshot(stateDir)).toThrow(`can't use ${snapshotPath(stateDir)}`);
      await expect(editSnapshot(stateDir, () => emptySnapshot)).rejects.toThrow("can't use");
      expect(readFileSync(snapshotPath(stateDir), 'utf8')).toBe(text);
    },
  );
});
