// The sidecar's HTTP server: POST only, JSON of our own content type both ways. Refusals are answers with status
// 200; nginx takes any other status for "no answer".

import { timingSafeEqual, createHash } from 'node:crypto';
import fastify, { LogController, type FastifyInstance } from 'fastify';
import { type KeyEntry, type KeyRecord, entryFingerprint, recordOf, sidecarMediaType } from '../auth/key_record.js';
import type { ClusterNode } from '../cluster/node.js';
import type { CheckKey, KeyCheck } from './keys/check_key.js';
import type { KeyStore } from './keys/key_store.js';
import type { LoadedKeys } from './keys/loaded_keys.js';
import type { BcryptMeasured } from './bcrypt/bcrypt_pool.js';
import type { LastUsed } from './last_used.js';
import { mintToken, parseTokenRequest } from './signing/minting.js';
import { nodePlatform } from '../node/crypto.js';
import { checkSignature } from './signature_route.js';
import { fetchForProvider, fetchSchema, type FetchQuestion, type FetchSettings } from './fetch_route.js';
import { lease, leaseSchema, type LeaseQuestion } from './lease_route.js';
import type { SigningKey } from './signing/signing_keys.js';

export interface Sidecar {
  keys: KeyStore;
  checkKey: CheckKey;
  signingKey: () => Promise<SigningKey | undefined>;
  entrySecret: string;
  mintIssuer: string;
  mintAudience: string;
  maxTtlSeconds: number;
  /** Over TCP: what callers must send as x-keygate-secret. */
  secret: string | undefined;
  /** What fetching keys of providers depends on. */
  fetching: FetchSettings;
  lastUsed: LastUsed;
  measured: () => BcryptMeasured;
  /** Tokens minted since the start. */
  minted: number;
  /** Undefined without REDIS_URL. */
  cluster: Pick<ClusterNode, 'facts' | 'budgets'> | undefined;
}

interface Question {
  credential: string;
  generation: string;
  contentType?: string;
  body?: string;
}

const maxAttempts = 3;
/** How long a question waits for bcrypt: less than the 2 s that nginx waits for an answer. */
export const patienceMs = 1600;
const text = { type: 'string', maxLength: 16384 } as const;
const questionSchema = {
  type: 'object',
  required: ['credential', 'generation'],
  properties: { credential: text, generation: text, contentType: text, body: text },
};

/** Builds the server; main.ts lets it listen. */
export function buildServer(sidecar: Sidecar, logger: boolean | object): FastifyInstance {
  const server = fastify({
    logger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 131072,
    exposeHeadRoutes: false,
    ajv: { customOptions: { coerceTypes: false } },
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser(sidecarMediaType, { parseAs: 'string' }, server.getDefaultJsonParser('error', 'error'));
  server.addHook('onSend', async (_, reply) => void reply.header('content-type', sidecarMediaType));
  if (sidecar.secret !== undefined) requireSecret(server, sidecar.secret);
  let nginxGeneration = '';
  server.addHook('preHandler', async (request) => {
    const { generation } = (request.body ?? {}) as { generation?: unknown };
    if (typeof generation === 'string' && generation !== '') nginxGeneration = generation;
  });
  server.post('/verify', { schema: { body: questionSchema } }, (request) => verify(sidecar, request.body as Question));
  server.post('/token', { schema: { body: questionSchema } }, (request) => token(sidecar, request.body as Question));
  server.post('/signature', (request) => checkSignature(request.body));
  server.post('/lease', { schema: { body: leaseSchema } }, (request) =>
    lease(sidecar.cluster, request.body as LeaseQuestion),
  );
  server.post('/fetch', { schema: { body: fetchSchema } }, (request) =>
    fetchForProvider(sidecar.fetching, request.body as FetchQuestion),
  );
  server.post('/health', async () => {
    const keys = await sidecar.keys.current('');
    const signing = (await sidecar.signingKey()) !== undefined;
    const cluster = sidecar.cluster?.facts();
    return { status: 'ok', generation: keys?.generation ?? '', nginxGeneration, signing, cluster };
  });
  server.post('/metrics', async (request) => answerMetrics(sidecar, (request.body ?? {}) as MetricsQuestion));
  return server;
}

interface MetricsQuestion {
  /** Unix seconds by key id. */
  lastUsed?: unknown;
  /** Whether nginx has been restarted and asks for the times. */
  wantsLastUsed?: unknown;
}

function answerMetrics(sidecar: Sidecar, question: MetricsQuestion): object {
  const { lastUsed, minted } = sidecar;
  lastUsed.note(question.lastUsed);
  const { queue, counts, sum } = sidecar.measured();
  const facts = { queue, counts, sum, minted, cluster: sidecar.cluster?.facts() };
  return question.wantsLastUsed === true ? { ...facts, lastUsed: lastUsed.times() } : facts;
}

function requireSecret(server: FastifyInstance, secret: string): void {
  const digest = (value: string) => createHash('sha256').update(value).digest();
  server.addHook('onRequest', async (request, reply) => {
    const sent = request.headers['x-keygate-secret'];
    const isRight = typeof sent === 'string' && timingSafeEqual(digest(sent), digest(secret));
    if (!isRight) await reply.code(403).send({ error: 'wrong secret' });
  });
}

type Found = { keys: LoadedKeys; entry: KeyEntry } | { refusal: object };

async function findEntry(sidecar: Sidecar, question: Question): Promise<Found> {
  for (let attempt = 1; ; attempt++) {
    const keys = await sidecar.keys.current(question.generation);
    if (keys === undefined) return { refusal: { generation: '', admitted: false, reason: 'keys_unavailable' } };
    const { generation } = keys;
    // Whether this question took a place in the queue. Then it counts against the client's limit, as a refusal would.
    let spends = false;
    const checking = sidecar.checkKey(question.credential, keys, () => (spends = true));
    const check = await Promise.race([checking, timeOut()]);
    if ('reason' in check && check.reason === 'verifier_busy') {
      const { reason, isQueueFull = false } = check;
      const busy = { generation, admitted: false, reason };
      return { refusal: isQueueFull ? { ...busy, queueFull: true } : { ...busy, spends } };
    }
    // A key may have been revoked while it waited for a thread.
    const isStill = attempt === maxAttempts || keys === (await sidecar.keys.current(question.generation));
    if (!isStill) continue;
    if (!('reason' in check)) return { keys, entry: check.entry };
    const { reason, matched } = check;
    return { refusal: { generation, admitted: false, reason, ...(matched && nameEntry(sidecar, matched)) } };
  }
}

function timeOut(): Promise<KeyCheck> {
  return new Promise((resolve) => {
    setTimeout(() => resolve({ reason: 'verifier_busy' }), patienceMs).unref();
  });
}

async function verify(sidecar: Sidecar, question: Question): Promise<object> {
  const found = await findEntry(sidecar, question);
  if ('refusal' in found) return found.refusal;
  const { keys, entry } = found;
  return { generation: keys.generation, admitted: true, ...nameEntry(sidecar, entry) };
}

// An answer names the entry that a key matches, also where the key is refused.
function nameEntry({ entrySecret }: Sidecar, entry: KeyEntry): { entry: KeyRecord } {
  return { entry: recordOf(entry, entryFingerprint(entry, entrySecret, nodePlatform)) };
}

async function token(sidecar: Sidecar, question: Question): Promise<object> {
  const found = await findEntry(sidecar, question);
  if ('refusal' in found) return found.refusal;
  const { keys, entry } = found;
  const { body = '', contentType: type = '' } = question;
  const limits = { maxTtlSeconds: sidecar.maxTtlSeconds, scopes: entry.scopes };
  const fingerprint = entryFingerprint(entry, sidecar.entrySecret, nodePlatform);
  const named = { generation: keys.generation, entry: recordOf(entry, fingerprint) };
  const wanted = parseTokenRequest({ body, contentType: type }, limits);
  if ('reason' in wanted) return { ...named, admitted: false, reason: wanted.reason };
  const signingKey = await sidecar.signingKey();
  if (signingKey === undefined) return { ...named, admitted: false, reason: 'no_signing_key' };
  const minted = await mintToken({
    signingKey,
    issuer: sidecar.mintIssuer,
    audience: sidecar.mintAudience,
    subject: named.entry.subject,
    scopes: wanted.scopes,
    ttlSeconds: wanted.ttlSeconds,
    entryExpiresSeconds: entry.expiresSeconds,
    fingerprint,
  });
  sidecar.minted++;
  return { ...named, admitted: true, token: minted };
}
