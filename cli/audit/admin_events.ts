// What the audit log calls each change by the admin command, and which fields the line of the change has. docs/admin.md
// has the same table.

/** The fields of single events. No field holds a key, a token, a hash or a digest. */
interface Fields {
  /** The name of the API key; null for a key without a name, or where a damaged line may hold a secret as its name. */
  subject: string | null;
  key_id: string | null;
  kind: 'sha256' | 'bcrypt';
  /** Attributes of the line, as the key file has them; each becomes a field of its own name. */
  attributes: { [name: string]: string };
  /** The number of the line before the change. */
  line: number;
  usable: boolean;
  /** The changed file. */
  file: string;
  jti: string;
  kid: string;
  alg: string;
  /** An RFC 3339 time. */
  signs_from: string;
  /** The kid that signs after the change. */
  signing_kid: string | null;
  dir: string;
  version: string;
  engine: string;
  /** The names of the written files, separated by spaces. */
  files: string;
}

/** Every event with the names of its fields. */
export const adminEvents = {
  key_new: ['subject', 'key_id', 'kind', 'attributes', 'file'],
  key_revoke: ['subject', 'key_id', 'line', 'usable', 'file'],
  token_revoke: ['jti', 'file'],
  jwks_rotate: ['kid', 'alg', 'signs_from'],
  jwks_import: ['kid', 'alg'],
  jwks_activate: ['kid'],
  jwks_revoke: ['kid', 'signing_kid'],
  jwks_deny: ['kid', 'file'],
  install: ['dir', 'version', 'engine', 'files'],
} as const satisfies { [event: string]: readonly (keyof Fields)[] };

type AdminEvent = keyof typeof adminEvents;

/** One change: the event with exactly its fields. */
export type AdminChange = {
  [Event in AdminEvent]: { event: Event } & Pick<Fields, (typeof adminEvents)[Event][number]>;
}[AdminEvent];

/** The changes of one edit: at least one, so that no edit goes untold. */
export type AdminChanges = [AdminChange, ...AdminChange[]];
