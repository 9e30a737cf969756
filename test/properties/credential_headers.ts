// Where a generated question has its credential, rightly and wrongly.

import type { Choices } from './token_generator.js';

/** Credential headers; empty when absent. */
export type Headers = { authorization: string; xApiKey: string; apiKey: string };
const none: Headers = { authorization: '', xApiKey: '', apiKey: '' };

/** Sends a credential in one of many ways; without a credential mostly none. */
export function headersOf(credential: string, other: string, choose: Choices): Headers {
  if (credential === '' && choose.below(4) > 0) return none;
  if (choose.below(2) === 0) return { ...none, xApiKey: credential };
  return choose.of<() => Headers>([
    () => ({ ...none, authorization: `Bearer ${credential}` }),
    () => ({ ...none, authorization: `bearer  ${credential} ` }),
    () => ({ ...none, authorization: credential }),
    () => ({ ...none, apiKey: ` ${credential}\t` }),
    () => ({ ...none, xApiKey: credential, apiKey: credential }),
    () => ({ authorization: `Bearer ${credential}`, xApiKey: credential, apiKey: '' }),
    () => ({ authorization: `Basic ${credential}`, xApiKey: choose.of(['', credential]), apiKey: '' }),
    () => ({ ...none, authorization: `Bearer Bearer ${credential}` }),
    () => ({ ...none, xApiKey: `${credential}, ${choose.of(['', credential])}` }),
    () => ({ ...none, xApiKey: credential, apiKey: other }),
    () => ({ authorization: `Bearer ${other}`, xApiKey: credential, apiKey: '' }),
  ])();
}
