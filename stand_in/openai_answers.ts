// Chat completions as the OpenAI API gives them, whole and as server-sent events.

import type { ServerResponse } from 'node:http';
import { sendEvents, sendJson } from './send.js';

const words = ['Hello', ' from', ' the', ' stand-in', '.'];
const base = { id: 'chatcmpl-stand-in', created: 0, model: 'gpt-4.1' };

/** One whole completion. */
export function sendChatCompletion(response: ServerResponse): void {
  const message = { role: 'assistant', content: words.join(''), refusal: null };
  sendJson(response, {
    ...base,
    object: 'chat.completion',
    choices: [{ index: 0, message, finish_reason: 'stop', logprobs: null }],
    usage: { prompt_tokens: 5, completion_tokens: words.length, total_tokens: 5 + words.length },
  });
}

/** A chunk a word, `chunkMs` apart. */
export async function sendChatStream(response: ServerResponse, chunkMs: number): Promise<void> {
  const chunks = words.map((content) => chunk({ role: 'assistant', content }, null));
  const lines = [...chunks, chunk({}, 'stop')].map((one) => `data: ${JSON.stringify(one)}\n\n`);
  await sendEvents(response, [...lines, 'data: [DONE]\n\n'], chunkMs);
}

function chunk(delta: object, finishReason: string | null): object {
  return {
    ...base,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, finish_reason: finishReason }],
  };
}
