// The values of the audit log that JavaScript makes: all of them where a location decides by itself (js_access), else
// only what nginx's own patterns in decision_server.conf found not clean.

import { encodeId, encodePath, plainIdPattern, plainPathPattern, traceparentPatterns } from '../../auth/audit.js';

const space = 0x20;

/** js_set in the decision server: the path of a target that is not plain. */
export function encodedPath(r: NginxHTTPRequest): string {
  const target = r.rawVariables.http_x_keygate_target;
  return target === undefined ? '' : encodePath(target.subarray(target.lastIndexOf(space) + 1));
}

/** js_set in the decision server: a session id that is not plain. */
export function encodedSessionId(r: NginxHTTPRequest): string {
  return encodedId(r.rawVariables.http_x_claude_code_session_id);
}

/** js_set in the decision server: an agent id that is not plain. */
export function encodedAgentId(r: NginxHTTPRequest): string {
  return encodedId(r.rawVariables.http_x_claude_code_agent_id);
}

/** js_set in the decision server: the id of an agent's parent that is not plain. */
export function encodedParentAgentId(r: NginxHTTPRequest): string {
  return encodedId(r.rawVariables.http_x_claude_code_parent_agent_id);
}

function encodedId(bytes: Buffer | undefined): string {
  return bytes === undefined ? '' : encodeId(bytes);
}

// Compiled when first needed, once in a context.
const compiled: { [pattern: string]: RegExp } = {};

function match(pattern: string, text: string): RegExpExecArray | null {
  const known = compiled[pattern] || (compiled[pattern] = new RegExp(pattern));
  return known.exec(text);
}

const wholePath = `^${plainPathPattern}(?=[?#]|$)`;
const { before, traceId, after } = traceparentPatterns;
const traceparent = `${before}(${traceId})${after}`;

// Most requests have the same target as the request before.
const latest = { target: '', path: '' };

function pathOf(r: NginxHTTPRequest, target: string): string {
  if (target === latest.target) return latest.path;
  const found = match(wholePath, target);
  if (found === null) return encodePath(r.rawVariables.request_uri || Buffer.from(''));
  latest.target = target;
  latest.path = found[0] || '';
  return latest.path;
}

/**
 * Fills the variables of a guarded request that decides by itself: no pattern of nginx may run in it (rule 9).
 * @param variables of the request: each `r.variables` makes an object
 */
export function noteRequest(r: NginxHTTPRequest, variables: NginxVariables): void {
  variables.keygate_path = pathOf(r, variables.request_uri || '');
  if (!variables.keygate_client_ids) return;
  const trace = variables.http_traceparent;
  if (trace) variables.keygate_trace_id = (match(traceparent, trace) || ['', ''])[1] || '';
  const session = variables.http_x_claude_code_session_id;
  if (session) variables.keygate_session_id = plainId(session) || encodedSessionId(r);
  const agent = variables.http_x_claude_code_agent_id;
  if (agent) variables.keygate_agent_id = plainId(agent) || encodedAgentId(r);
  const parent = variables.http_x_claude_code_parent_agent_id;
  if (parent) variables.keygate_parent_agent_id = plainId(parent) || encodedParentAgentId(r);
}

function plainId(id: string): string {
  return match(plainIdPattern, id) === null ? '' : id;
}
