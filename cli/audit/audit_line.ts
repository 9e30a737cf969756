// A line of the audit log: who changed what, as one JSON object (RFC 8259) in ASCII, whatever the values hold.

import { userInfo } from 'node:os';
import type { AdminChange } from './admin_events.js';

/** Who runs the command. */
export interface Actor {
  uid: number | null;
  /** The login name of the uid; null where the system knows no name, as in some containers. */
  login: string | null;
  /** Who called sudo, as sudo says; null without sudo. */
  sudo_uid: number | null;
  sudo_user: string | null;
}

const maxCharacters = 1024;

/**
 * Who runs this process.
 * @param env SUDO_UID and SUDO_USER count for root alone: anybody else may set them
 */
export function findActor(env: NodeJS.ProcessEnv): Actor {
  const uid = process.getuid?.() ?? null;
  const isSudo = uid === 0 && /^\d{1,10}$/.test(env['SUDO_UID'] ?? '');
  return {
    uid,
    login: findLogin(),
    sudo_uid: isSudo ? Number(env['SUDO_UID']) : null,
    sudo_user: isSudo ? (env['SUDO_USER'] ?? null) : null,
  };
}

function findLogin(): string | null {
  try {
    return userInfo().username;
  } catch {
    return null;
  }
}

/**
 * The line of a change, with its end.
 * @returns a flat JSON object; longer values are cut at 1,024 characters
 */
export function formatAuditLine(change: AdminChange, actor: Actor, time: Date): string {
  const { event, ...fields } = change;
  const { attributes, ...others } = fields as typeof fields & { attributes?: { [name: string]: string } };
  const line = { time: time.toISOString(), event, ...actor, ...others, ...attributes };
  return `${escapeBeyondAscii(JSON.stringify(line, (_, value: unknown) => bound(value)))}\n`;
}

// Half of a pair of surrogates, also one that the cut leaves, would make the line invalid for strict readers.
function bound(value: unknown): unknown {
  return typeof value === 'string' ? value.slice(0, maxCharacters).replace(/\p{Surrogate}/gu, '\ufffd') : value;
}

function escapeBeyondAscii(json: string): string {
  return json.replace(/[\x7f-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
