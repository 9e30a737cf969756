// The audit log as a reader of docs/audit.schema.json takes it.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, vi } from 'vitest';

const schema = JSON.parse(readFileSync(join(import.meta.dirname, '../../../docs/audit.schema.json'), 'utf8')) as object;
const validate = new Ajv2020().compile(schema);

/** A line of the audit log. */
export type AuditLine = { [field: string]: string | number };

/** @returns the lines of an audit log that is in order; a line that is still being written is left out */
export function auditLines(log: string): AuditLine[] {
  return log
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as AuditLine);
}

let asked = 0;

/**
 * Sends a request with an id of its own. nginx writes its line after the answer, so the newest one may be of another.
 *
 * @returns the answer, and the only line about it
 */
export async function answerAndLine<T>(
  log: () => AuditLine[],
  send: (id: string) => Promise<T>,
): Promise<{ answer: T; line: AuditLine }> {
  const id = `asked-${asked++}`;
  const answer = await send(id);
  const lines = () => log().filter((line) => line['request_id'] === id);
  await vi.waitFor(() => expect(lines()).toHaveLength(1), { timeout: 20000 });
  return { answer, line: lines()[0] as AuditLine };
}

/** @returns the only line about a request, as `answerAndLine` */
export async function lineAbout(log: () => AuditLine[], send: (id: string) => Promise<unknown>): Promise<AuditLine> {
  return (await answerAndLine(log, send)).line;
}

/** @returns what is wrong with each faulty line of an audit log's file: no UTF-8, no JSON, or not as the schema says */
export function faultsOf(path: string): string[] {
  if (!existsSync(path)) return [];
  const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
  return text.split('\n').flatMap((line) => {
    const fault = line === '' ? undefined : faultOf(line);
    return fault === undefined ? [] : [`${fault}: ${line}`];
  });
}

/** @returns what is wrong with a line */
export function faultOf(line: string): string | undefined {
  try {
    if (validate(JSON.parse(line))) return undefined;
    return (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message}`).join('; ');
  } catch (e) {
    return String(e);
  }
}
