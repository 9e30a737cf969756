// What decideToken trusts in tests: no key, nothing denied, and what a test changes of that.

import type { TrustedKeys } from '../../auth/token_verdict.js';

export const trustedKeys = (changed: Partial<TrustedKeys> = {}): TrustedKeys => ({
  minting: undefined,
  local: [],
  remote: undefined,
  lacksJwks: false,
  hasDenyList: true,
  hasEntries: () => true,
  isDeniedKid: () => false,
  isDeniedJti: () => false,
  findEntry: () => undefined,
  ...changed,
});
