// A clock of nginx's own that a test moves: libfaketime before nginx, told by a file. Monotonic time goes on as it is.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from '../../../node/state_files.js';
import { debianSuites } from '../../../nginx/versions.js';
import { unpackPackage } from '../../../nginx/runtime/unpack_nginx.js';
import type { Variant } from './variants.js';

export interface Clock {
  /** Goes before the command that runs nginx. */
  command: (command: string[]) => string[];
  /** Has nginx's workers keep the variables: nginx drops those of its environment that it is not told of. */
  edit: (nginxConf: string) => string;
  /** Moves the clock away from the true time by so many seconds. */
  set: (offsetSeconds: number) => void;
}

/** @param file where the offset stands */
export function makeClock(variant: Variant, file: string): Clock {
  const libraries = join(unpackPackage(debianSuites[variant.runtime], 'libfaketime'), 'usr/lib');
  const machine = readdirSync(libraries).find((name) => name.endsWith('-linux-gnu')) ?? '';
  const library = join(libraries, machine, 'faketime', 'libfaketimeMT.so.1');
  // libfaketime ends the process that reads an empty file: worker and master, which then refuse connections.
  const set = (offsetSeconds: number) =>
    void writeAtomically(file, `${offsetSeconds < 0 ? '' : '+'}${offsetSeconds}\n`, 0o644);
  set(0);
  const variables = [
    `LD_PRELOAD=${library}`,
    `FAKETIME_TIMESTAMP_FILE=${file}`,
    'FAKETIME_NO_CACHE=1',
    'FAKETIME_DONT_FAKE_MONOTONIC=1',
    'FAKETIME_DISABLE_SHM=1', // or processes of other tests would share it
  ];
  const kept = variables.map((variable) => `env ${variable.split('=')[0]};`).join(' ');
  return {
    command: (command) => ['/usr/bin/env', ...variables, ...command],
    edit: (nginxConf) => `${kept}\n${nginxConf}`,
    set,
  };
}
