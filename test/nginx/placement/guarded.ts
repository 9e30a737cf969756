// Configurations around a few lines: a server that guard.conf guards, or one that stays open.

import { readConfiguration } from '../../../nginx/configuration/configuration.js';
import { checkPlacement } from '../../../nginx/placement/placement.js';

export const dir = '/etc/nginx/keygate';
export const include = (name: string) => `include ${dir}/${name}.conf;`;

/** Finds faults of a dump, as `line: problem`. */
export function faultsIn(dump: string): string[] {
  return checkPlacement(readConfiguration(dump, dir)).map(({ line, problem }) => `${line}: ${problem}`);
}

/** The faults of lines in a server; the first of them stands in line 2. */
export function faultsOfServer(text: string, http = ''): string[] {
  return faultsIn(`http { ${include('http')} ${http} server { server_name a;\n${text} } }`);
}

/** The faults of lines in a server that guard.conf guards. */
export function faultsOf(text: string, http = ''): string[] {
  return faultsOfServer(`${include('guard')} ${text}`, http);
}
