// What the upstream and the audit log are told of a principal: one row a header. The snippets of nginx/snippets, the
// decision's answer, the refusal of clients that send such headers themselves and `keygate install --check` are made
// from these rows.

import type { Principal } from './verdict.js';

export interface IdentityHeader {
  /** The name of the header that the upstream gets. */
  header: string;
  /** The nginx variable that holds it, without the dollar sign; documented in docs/settings.md. */
  variable: `keygate_${string}`;
  /** The member of the principal; absent where nginx derives the value from `$keygate_admitted` (asking.conf). */
  member?: 'subject' | 'issuer';
}

export const identityHeaders: IdentityHeader[] = [
  { header: 'X-Auth-User', variable: 'keygate_user', member: 'subject' },
  { header: 'X-Auth-Issuer', variable: 'keygate_issuer', member: 'issuer' },
  { header: 'X-Auth-Method', variable: 'keygate_method' },
];

/** A value of the principal that the decision server sends to the nginx that asks. */
export interface CarriedValue {
  /** The header of the decision server's answer. */
  answerHeader: string;
  variable: `keygate_${string}`;
  read: (principal: Principal) => string;
}

/** The rows that a verdict carries; nginx derives the values of the other rows. */
export const carriedValues: CarriedValue[] = [];
identityHeaders.forEach(({ variable, member }) => {
  if (member !== undefined) carriedValues.push(carried(variable, member));
});

function carried(variable: IdentityHeader['variable'], member: 'subject' | 'issuer'): CarriedValue {
  const name = variable.slice('keygate_'.length);
  const answerHeader = 'X-Keygate-' + name.charAt(0).toUpperCase() + name.slice(1);
  return { answerHeader, variable, read: (principal) => principal[member] };
}

const maxKeyIdBytes = 128; // a kid may have 256, and a verdict has to fit the buffer of ask.conf

/** The key or JWK of the credential, for the audit log. */
export const carriedKey: CarriedValue = {
  answerHeader: 'X-Keygate-Key-Id',
  variable: 'keygate_key_id',
  read: (principal) => principal.keyId.slice(0, maxKeyIdBytes),
};

/** What a verdict carries of the principal that it admits. */
export const carriedOfAdmitted = carriedValues.concat([carriedKey]);

/**
 * What is carried for the audit log alone: of the refused holder of a genuine credential, and of whoever asks for a
 * token. The variables are not those of an admitted principal, which upstreams get.
 */
export const carriedForAudit: CarriedValue[] = [
  carriedKey,
  { answerHeader: 'X-Keygate-Audited-User', variable: 'keygate_audited_user', read: (principal) => principal.subject },
  {
    answerHeader: 'X-Keygate-Audited-Issuer',
    variable: 'keygate_audited_issuer',
    read: (principal) => principal.issuer,
  },
  {
    answerHeader: 'X-Keygate-Audited-Method',
    variable: 'keygate_audited_method',
    read: (principal) => principal.method,
  },
];
