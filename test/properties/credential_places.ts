// Where the clients of the property tests put their credentials.

import type { Choices } from './token_generator.js';

/** The further headers that some locations read (CREDENTIAL_HEADERS). */
export const further = 'x-goog-api-key,sec-websocket-protocol';

export type Headers = { authorization: string; xApiKey: string; apiKey: string; further: string };
const none: Headers = { authorization: '', xApiKey: '', apiKey: '', further: '' };

/** Puts a credential into headers: one, or several with another. */
export function headersOf(credential: string, other: string, choose: Choices): Headers {
  if (choose.below(2) === 0) return { ...none, xApiKey: credential };
  return choose.of<() => Headers>([
    () => ({ ...none, authorization: `Bearer ${credential}` }),
    () => ({ ...none, authorization: `bearer  ${credential} ` }),
    () => ({ ...none, authorization: credential }),
    () => ({ ...none, apiKey: ` ${credential}\t` }),
    () => ({ ...none, xApiKey: credential, apiKey: credential }),
    () => ({ authorization: `Bearer ${credential}`, xApiKey: credential, apiKey: '', further: '' }),
    () => ({ authorization: `Basic ${credential}`, xApiKey: choose.of(['', credential]), apiKey: '', further: '' }),
    () => ({ ...none, authorization: `Bearer Bearer ${credential}` }),
    () => ({ ...none, xApiKey: `${credential}, ${choose.of(['', credential])}` }),
    () => ({ ...none, xApiKey: credential, apiKey: other }),
    () => ({ ...none, further: `${credential}\n` }),
    () => ({ ...none, further: `\nrealtime, openai-insecure-api-key.${credential}` }),
    () => ({ ...none, xApiKey: credential, further: `${choose.of([credential, other])}\n` }),
    () => ({ authorization: `Bearer ${other}`, xApiKey: credential, apiKey: '', further: '' }),
  ])();
}

/** The headers as variables of nginx. */
export function variablesOf({ authorization, xApiKey, apiKey, further: values }: Headers) {
  const [goog = '', subprotocols = ''] = values.split('\n');
  return {
    http_authorization: authorization,
    http_x_api_key: xApiKey,
    http_api_key: apiKey,
    http_x_goog_api_key: goog,
    http_sec_websocket_protocol: subprotocols,
    keygate_sent_headers: further,
  };
}
