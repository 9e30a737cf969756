// What a verdict tells of its principal, in the answer to a question or in the variables of the guarded request. A
// refusal fills variables of its own, for the log: no upstream takes a refused principal for an admitted one.

import { auditedKey, auditedOfRefused } from '../../auth/audit.js';
import { carriedValues, type CarriedValue } from '../../auth/identity_headers.js';
import type { Verdict } from '../../auth/verdict.js';

const ofAdmitted = carriedValues.concat([auditedKey]);

/** Writes the values into the headers of the answer to a question. */
export function carryInHeaders(headersOut: NginxHeadersOut, verdict: Verdict): void {
  const { principal } = verdict;
  if (principal === undefined) return;
  const rows = verdict.admitted ? ofAdmitted : auditedOfRefused;
  for (let i = 0; i < rows.length; i++) {
    const { answerHeader, read } = rows[i] as CarriedValue;
    const value = read(principal);
    if (value !== '') headersOut[answerHeader] = value;
  }
}

/** Sets the variables of a guarded request that decides by itself. */
export function carryInVariables(variables: NginxVariables, verdict: Verdict): void {
  const { principal } = verdict;
  if (principal === undefined) return;
  const rows = verdict.admitted ? ofAdmitted : auditedOfRefused;
  for (let i = 0; i < rows.length; i++) {
    const { variable, read } = rows[i] as CarriedValue;
    const value = read(principal);
    if (value !== '') variables[variable] = value;
  }
}
