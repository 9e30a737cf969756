// A client whose SDK reads our refusals.

import { describe, expect, it } from 'vitest';
import { formatRefusal } from '../../auth/answer.js';
import { refusals, type Reason } from '../../auth/refusals.js';

const header = (reason: Reason, name: string, details = {}) =>
  formatRefusal(reason, details).headers.find(([one]) => one === name)?.[1];

const reasons = Object.keys(refusals()) as Reason[];

describe('formatRefusal', () => {
  it('gives every reason the shape that both SDKs read', () => {
    for (const reason of reasons) {
      const { type, code, message } = refusals()[reason];
      expect(JSON.parse(formatRefusal(reason).body)).toEqual({
        type: 'error',
        error: { type, code, message },
      });
      expect(header(reason, 'Content-Type')).toBe('application/json');
    }
  });

  it('challenges every 401 and no other status but insufficient_scope', () => {
    for (const reason of reasons) {
      const challenge = header(reason, 'WWW-Authenticate');
      if (refusals()[reason].status === 401) expect(challenge).toMatch(/^Bearer realm="keygate"/);
      else if (reason !== 'insufficient_scope') expect(challenge).toBeUndefined();
    }
  });

  it('names no error in the challenge when no credential was sent', () => {
    expect(header('missing_credential', 'WWW-Authenticate')).toBe('Bearer realm="keygate"');
  });

  it('keeps quotes of a message out of the challenge', () => {
    for (const reason of reasons) {
      const challenge = header(reason, 'WWW-Authenticate') ?? '';
      expect((challenge.match(/"/g) ?? []).length % 2).toBe(0);
      expect(challenge).toMatch(/^[\x20-\x7e]*$/);
    }
  });

  it('names the required scope for insufficient_scope', () => {
    expect(header('insufficient_scope', 'WWW-Authenticate', { requiredScope: 'models chat' })).toBe(
      'Bearer realm="keygate", error="insufficient_scope", scope="models chat"',
    );
  });

  it('sends Retry-After with every 429 and 503 and with nothing else', () => {
    for (const reason of reasons) {
      const isRetried = [429, 503].includes(refusals()[reason].status);
      expect(header(reason, 'Retry-After')).toBe(isRetried ? '1' : undefined);
    }
    expect(header('rate_limited', 'Retry-After', { retryAfterMs: 11001 })).toBe('12');
  });

  it.each([
    [0.2, '1', '1', undefined],
    [1500.4, '2', '1501', undefined],
    [60000, '60', '60000', undefined],
    [60000.1, '61', '60001', 'false'],
    [86400000, '86400', '86400000', 'false'],
  ])('tells a client to wait %s ms, or not to try again after over a minute', (retryAfterMs, seconds, ms, again) => {
    const sent = (name: string) => header('key_rate_limited', name, { retryAfterMs });
    expect([sent('Retry-After'), sent('Retry-After-Ms'), sent('X-Should-Retry')]).toEqual([seconds, ms, again]);
  });

  it('sends Allow when it is given', () => {
    expect(header('method_not_allowed', 'Allow', { allow: 'POST' })).toBe('POST');
  });
});
