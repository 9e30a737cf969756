// What decideToken trusts in tests: no key, nothing denied, and what a test changes of that.

import type { Jwk } from '../../auth/algorithms.js';
import type { TrustedKeys } from '../../auth/token_verdict.js';

export const trustedKeys = (changed: Partial<TrustedKeys> = {}): TrustedKeys => ({
  minting: undefined,
  unnamed: { keys: [], lacksJwks: false },
  providers: undefined,
  hasDenyList: true,
  hasEntries: () => true,
  isDeniedKid: () => false,
  isDeniedJti: () => false,
  findEntry: () => undefined,
  ...changed,
});

/** Keys of the unnamed provider, which lacks none. */
export const unnamed = (...keys: Jwk[]): TrustedKeys['unnamed'] => ({ keys, lacksJwks: false });
