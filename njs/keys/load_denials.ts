// When a changed deny list comes into use. A list that is missing or damaged keeps the refusals read before in force.

import { parseDenyList } from '../../auth/deny_list.js';
import { reportFault, recover } from './source_faults.js';
import { readIfChanged, rejectContent, type FileReading } from './watched_file.js';
import { writeState } from './shared_state.js';
import { readDenials, type StoredDenials } from './trusted_keys.js';

const maxBytes = 1048576;
const noDenials: StoredDenials = { jtis: {}, kids: {}, isAbsent: true };

/** Reads the deny list beside the key file. While no list could be read, any token may be denied: tokens get 503. */
export function refreshDenials(variables: NginxVariables, nowMs: number): void {
  const keysFile = variables.keygate_api_keys_file || '';
  const before = readDenials();
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
  const consequence = readDenials() === undefined ? 'tokens get 503' : 'the refusals read before stay in force';
  reportFault('denied', `${path}: ${reading.why}; ${consequence}`, nowMs);
}

function takeDenialsUp(reading: FileReading, before: StoredDenials | undefined): FileReading {
  if (reading.found !== 'changed') return reading;
  const list = parseDenyList(reading.text);
  if ('fault' in list) return rejectContent('denied', list.fault);
  const { jtis, kids, problems } = list;
  const first = problems[0];
  if (first === undefined || before === undefined) {
    writeState('denied', JSON.stringify({ jtis, kids }));
  } else {
    // A line that can't be parsed may have been a refusal, so the earlier refusals stay.
    const both = { jtis: Object.assign({}, before.jtis, jtis), kids: Object.assign({}, before.kids, kids) };
    writeState('denied', JSON.stringify(both));
  }
  return first === undefined ? reading : rejectContent('denied', `line ${first.line}: ${first.problem}`);
}
