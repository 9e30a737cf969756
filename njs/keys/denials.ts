// What is denied, from denied.txt beside the key file and, in a cluster, from the snapshot. While a list could never be
// read, any token may be denied: then tokens get 503.

import { parseDenyList, type DenyList } from '../../auth/deny_list.js';
import { writeState } from './shared_state.js';
import { recover, reportFault } from './source_faults.js';
import { readDenials, type StoredDenials } from './trusted_keys.js';
import { readIfChanged, rejectContent, type FileReading } from './watched_file.js';

const maxBytes = 1048576;
const noDenials: StoredDenials = { jtis: {}, kids: {}, isAbsent: true };

/** Takes up a changed denied.txt. */
export function refreshDenied(variables: NginxVariables, nowMs: number): void {
  const keysFile = variables.keygate_api_keys_file || '';
  const before = readDenials('denied');
  if (keysFile === '') {
    if (before === undefined) writeState('denied', JSON.stringify(noDenials));
    return;
  }
  const path = keysFile.slice(0, keysFile.lastIndexOf('/') + 1) + 'denied.txt';
  const reading = takeDenialsUp(readIfChanged({ path, name: 'denied', maxBytes }, nowMs), before);
  if (reading.found === 'same') return;
  if (reading.found === 'changed') return recover('denied');
  // Most gateways never have a list. When a list is gone or was emptied, its last content stays in force.
  if (reading.why === 'ENOENT' && (before === undefined || before.isAbsent === true)) {
    if (before === undefined) writeState('denied', JSON.stringify(noDenials));
    return recover('denied');
  }
  const consequence = readDenials('denied') === undefined ? 'tokens get 503' : 'the refusals read before stay in force';
  reportFault('denied', `${path}: ${reading.why}; ${consequence}`, nowMs);
}

function takeDenialsUp(reading: FileReading, before: StoredDenials | undefined): FileReading {
  if (reading.found !== 'changed') return reading;
  const list = parseDenyList(reading.text);
  if ('fault' in list) return rejectContent('denied', list.fault);
  const first = list.problems[0];
  writeState('denied', JSON.stringify(mergeDenials(list, before)));
  return first === undefined ? reading : rejectContent('denied', `line ${first.line}: ${first.problem}`);
}

// A line that can't be parsed may have been a refusal, so the earlier refusals stay.
function mergeDenials({ jtis, kids, problems }: DenyList, before: StoredDenials | undefined): StoredDenials {
  if (problems.length === 0 || before === undefined) return { jtis, kids };
  return { jtis: Object.assign({}, before.jtis, jtis), kids: Object.assign({}, before.kids, kids) };
}

/**
 * Takes up the denials of a snapshot.
 * @returns why they can't count, in words fit for a log; undefined when they do
 */
export function denyShared(lines: string[]): string | undefined {
  const list = parseDenyList(lines.join('\n'));
  if ('fault' in list) return `denied: ${list.fault}`;
  const before = readDenials('shared_denied');
  const first = list.problems[0];
  if (first === undefined || before !== undefined)
    writeState('shared_denied', JSON.stringify(mergeDenials(list, before)));
  return first === undefined ? undefined : `denied, line ${first.line}: ${first.problem}`;
}
