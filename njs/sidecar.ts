// Which answers of the sidecar count: answers with status 200, our media type and the expected shape. Any other answer,
// and no answer within 2 s, counts as no answer (rule 2).

import { isJsonObject, type UnverifiedObject } from '../auth/json.js';
import { sidecarMediaType } from '../auth/key_record.js';
import type { SignatureCheck, SignatureResult } from '../auth/platform.js';
import type { Verdict } from '../auth/verdict.js';

/**
 * Sends one question to the sidecar.
 * @param route `verify`, `token`, `signature` or `health`
 * @returns its answer, or undefined; then the log says why
 */
export async function askSidecar(
  r: NginxHTTPRequest,
  route: string,
  question: object,
): Promise<UnverifiedObject | undefined> {
  const answer = await askSidecarInTime(r, route, question);
  return answer === 'late' ? undefined : answer;
}

/** Like askSidecar, for those to whom a sidecar that is late is not one that is gone. */
export async function askSidecarInTime(
  r: NginxHTTPRequest,
  route: string,
  question: object,
): Promise<UnverifiedObject | 'late' | undefined> {
  // Without a body of its own, a subrequest of a POST waits for the client's.
  const reply = await r.subrequest('/_keygate_sidecar/' + route, {
    method: 'POST',
    body: JSON.stringify(question),
  });
  const answer = readReply(reply);
  if (answer !== undefined) return answer;
  r.error('keygate: verifier_unavailable: ' + route + ' gave status ' + reply.status + hintAbout(reply));
  return reply.status === 504 ? 'late' : undefined;
}

// A location can't undo these directives of its server.
function hintAbout(reply: NginxHTTPRequest): string {
  const isChanged = reply.status === 200 || reply.status === 400;
  return isChanged ? '; does a sub_filter, proxy_set_body or proxy_hide_header stand for the whole server?' : '';
}

function readReply(reply: NginxHTTPRequest): UnverifiedObject | undefined {
  if (reply.status !== 200 || reply.headersOut['Content-Type'] !== sidecarMediaType) return undefined;
  try {
    const answer: unknown = JSON.parse(reply.responseText || '');
    return isJsonObject(answer) ? answer : undefined;
  } catch (_) {
    return undefined;
  }
}

/**
 * Sends one question to the sidecar without a request, over a Unix socket: over TCP the sidecar asks for a secret that
 * only requests send.
 * @param address as `$keygate_sidecar` has it: `unix:PATH`
 * @returns its answer, or undefined for another status than 200; rejects where the sidecar is away
 */
export async function tellSidecar(address: string, route: string, question: object): Promise<unknown> {
  const headers = { Host: 'keygate', 'Content-Type': sidecarMediaType };
  const body = JSON.stringify(question);
  const response = await ngx.fetch(`http://${address}:/${route}`, { method: 'POST', headers, body });
  if (response.status !== 200) return undefined;
  const answer: unknown = await response.json();
  return answer;
}

/** Asks the sidecar about a signature that no engine here can check (EdDSA). */
export async function askSignature(r: NginxHTTPRequest, check: SignatureCheck): Promise<SignatureResult> {
  const signature = Buffer.from(check.signature).toString('base64url');
  const question = { algorithm: check.algorithm, jwk: check.jwk, signedText: check.signedText, signature };
  const answer = await askSidecar(r, 'signature', question);
  if (answer === undefined || typeof answer['valid'] !== 'boolean') return 'unavailable';
  return answer['valid'] ? 'valid' : 'invalid';
}

const longestMs = 200; // keys leave the queue unreported when their requests have given up

const zone = () => ngx.shared.keygate_refused;
const name = 'queue_full'; // all other names in the zone are digests

/** Whether the sidecar has told any worker that its queue is full, and no key has been checked since. */
export function isQueueFull(): boolean {
  const sinceMs = zone().get(name);
  if (sinceMs === undefined) return false;
  return Math.abs(Date.now() - Number(sinceMs)) < longestMs; // the zone's own timeout follows the clock, which may jump
}

/** Notes what an answer about a key says of the queue; `verifier_busy` alone says nothing. */
export function noteQueue(verdict: Verdict, isFull: boolean): void {
  try {
    if (isFull) zone().set(name, String(Date.now()), longestMs);
    else if (verdict.admitted || verdict.reason !== 'verifier_busy') zone().delete(name);
  } catch (_) {
    // Not noted: the next request asks.
  }
}
