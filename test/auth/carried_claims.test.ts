// An upstream that reads claims, and holders of tokens who would like to be taken for others.

import { describe, expect, it } from 'vitest';
import { answerHeaderOf, claimHeader, readCarriedClaims } from '../../auth/carried_claims.js';
import { parseClaimPath } from '../../auth/claim_path.js';
import { parseJsonObject } from '../../auth/json.js';

const read = (claims: object, ...names: string[]) => {
  const parsed = parseJsonObject(JSON.stringify(claims));
  if ('fault' in parsed) throw new Error(parsed.fault);
  return readCarriedClaims(parsed.object, names.map(parseClaimPath));
};

describe('readCarriedClaims', () => {
  it('takes texts, numbers and booleans, encoded like a subject', () => {
    expect(read({ a: 'x y%', b: 1.5, c: false, d: { e: 'é' } }, 'a', 'b', 'c', 'd.e')).toEqual({
      keygate_claim_a: 'x%20y%25',
      keygate_claim_b: '1.5',
      keygate_claim_c: 'false',
      keygate_claim_d_e: '%C3%A9',
    });
  });

  it.each([[null], [''], [['a']], [{}], ['a\r\nb'], ['\0'], ['\ud800'], ['x'.repeat(257)], ['é'.repeat(50)]])(
    'leaves %j out',
    (value) => {
      expect(read({ a: value, b: 'kept' }, 'a', 'b', 'missing', 'constructor')).toEqual({ keygate_claim_b: 'kept' });
    },
  );

  it('takes 256 bytes', () => {
    expect(read({ a: 'x'.repeat(256) }, 'a')).toEqual({ keygate_claim_a: 'x'.repeat(256) });
  });
});

describe('claimHeader', () => {
  it.each([
    ['keygate_claim_email', 'X-Auth-Claim-Email', 'X-Keygate-claim-email'],
    ['keygate_claim_tenant_id', 'X-Auth-Claim-Tenant-Id', 'X-Keygate-claim-tenant-id'],
    ['keygate_claim_https___x_level', 'X-Auth-Claim-Https-X-Level', 'X-Keygate-claim-https---x-level'],
    ['keygate_claim_a_b_c_d_e_f', 'X-Auth-Claim-A-B-C-DEF', 'X-Keygate-claim-a-b-c-d-e-f'],
    ['keygate_claim___', 'X-Auth-Claim', 'X-Keygate-claim---'],
  ])('names the headers of %s', (variable, header, answerHeader) => {
    expect(claimHeader(variable)).toEqual({ header, answerHeader, variable });
    expect(answerHeaderOf(variable)).toBe(answerHeader);
  });
});
