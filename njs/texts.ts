// What the metrics keep in shared memory beside counters: texts, in a zone of their own. A full zone forgets a text.

/** Names of texts. */
export type TextName =
  'keys' | 'samples' | 'sidecar' | 'asked_ms' | 'failed_ms' | 'unsent' | 'restored' | `answer:${string}`;

/** @returns a text, or undefined */
export function readText(name: TextName): string | undefined {
  return ngx.shared.keygate_metrics_texts.get(name);
}

/** Keeps a text; @returns whether there was room */
export function keepText(name: TextName, text: string): boolean {
  try {
    ngx.shared.keygate_metrics_texts.set(name, text);
    return true;
  } catch (_) {
    return false;
  }
}

/** Forgets a text. */
export function forgetText(name: TextName): void {
  ngx.shared.keygate_metrics_texts.delete(name);
}
