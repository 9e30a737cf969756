// Messages as the Anthropic API gives them, whole and as server-sent events.

import type { ServerResponse } from 'node:http';
import { sendEvents, sendJson } from './send.js';

const words = ['Hello', ' from', ' the', ' stand-in', '.'];
const base = {
  id: 'msg_stand_in',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4',
  stop_sequence: null,
};

/** One whole message. */
export function sendAnthropicMessage(response: ServerResponse): void {
  const content = [{ type: 'text', text: words.join('') }];
  const usage = { input_tokens: 5, output_tokens: words.length };
  sendJson(response, { ...base, content, stop_reason: 'end_turn', usage });
}

/** The events of one message, a text delta a word, `chunkMs` apart. */
export async function sendAnthropicStream(response: ServerResponse, chunkMs: number): Promise<void> {
  const usage = { input_tokens: 5, output_tokens: 1 };
  const deltas = words.map((text) => ({
    type: 'content_block_delta',
    index: 0,
    delta: { type: 'text_delta', text },
  }));
  const events = [
    { type: 'message_start', message: { ...base, content: [], stop_reason: null, usage } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ...deltas,
    { type: 'content_block_stop', index: 0 },
    {
      type: 'message_delta',
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 5 },
    },
    { type: 'message_stop' },
  ];
  const lines = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  await sendEvents(response, lines, chunkMs);
}
