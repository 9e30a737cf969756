// Real clients through the running gateway, against the stand-in upstream.

import AnthropicV1 from '@anthropic-ai/sdk';
import AnthropicV0 from 'anthropic-sdk-0';
import type { AddressInfo } from 'node:net';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeStandIn, type StandIn } from '../../stand_in/upstream.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { variants } from './harness/variants.js';

const key = 'key-of-the-sdk-tests';
const chunkMs = 120;

describe.each(variants)('$name: real clients', (variant) => {
  let gateway: Gateway;
  let standIn: StandIn;

  beforeAll(async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'; // the test's certificate is its own
    standIn = makeStandIn({ chunkMs });
    await new Promise<void>((resolve) => standIn.server.listen(0, '127.0.0.1', resolve));
    const { port } = standIn.server.address() as AddressInfo;
    gateway = await startGateway({
      variant,
      keys: `${key}\n`,
      env: { UPSTREAM_URL: `http://127.0.0.1:${port}` },
    });
  });

  afterAll(async () => {
    await gateway?.stop();
    standIn.server.closeAllConnections();
    standIn.server.close();
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  });

  const openai = (apiKey = key) => new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  const anthropics = (apiKey = key) => [
    new AnthropicV0({ apiKey, baseURL: gateway.url, maxRetries: 0 }),
    new AnthropicV1({ apiKey, baseURL: gateway.url, maxRetries: 0 }) as unknown as AnthropicV0, // called alike
  ];
  const prompt = {
    model: 'claude-sonnet-4',
    max_tokens: 16,
    messages: [{ role: 'user' as const, content: 'hi' }],
  };

  it('lists models with the OpenAI SDK', async () => {
    const models = await openai().models.list();
    expect(models.data.map((model) => model.id)).toContain('gpt-4.1');
  });

  it('chats with the OpenAI SDK', async () => {
    const answer = await openai().chat.completions.create({ model: 'gpt-4.1', messages: prompt.messages });
    expect(answer.choices[0]?.message.content).toBe('Hello from the stand-in.');
  });

  it('streams with the OpenAI SDK, the first chunk long before the last', async () => {
    const stream = await openai().chat.completions.create({
      model: 'gpt-4.1',
      messages: prompt.messages,
      stream: true,
    });
    const arrivals: number[] = [];
    for await (const chunk of stream) if (chunk !== undefined) arrivals.push(Date.now());
    expect((arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0)).toBeGreaterThan(chunkMs * 3);
  });

  it('raises AuthenticationError with our message for a wrong key in the OpenAI SDK', async () => {
    const failure = await openai('wrong')
      .models.list()
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(String(failure)).toContain('The API key is not valid.');
  });

  it('chats and lists models with both Anthropic SDKs', async () => {
    for (const client of anthropics()) {
      const answer = await client.messages.create(prompt);
      expect(answer.content[0]).toMatchObject({ type: 'text', text: 'Hello from the stand-in.' });
      const models = await client.models.list();
      expect(models.data.length).toBeGreaterThan(0);
    }
  });

  it('streams with both Anthropic SDKs, the first chunk long before the last', async () => {
    for (const client of anthropics()) {
      const arrivals: number[] = [];
      for await (const event of client.messages.stream(prompt)) {
        if (event.type === 'content_block_delta') arrivals.push(Date.now());
      }
      expect((arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0)).toBeGreaterThan(chunkMs * 3);
    }
  });

  it('raises AuthenticationError with our message for a wrong key in both Anthropic SDKs', async () => {
    const kinds = [AnthropicV0.AuthenticationError, AnthropicV1.AuthenticationError];
    for (const [index, client] of anthropics('wrong').entries()) {
      const failure = await client.messages.create(prompt).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(kinds[index] as never);
      expect(String(failure)).toContain('The API key is not valid.');
    }
  });

  it('ends the upstream request when the client goes away in mid-stream', async () => {
    const before = standIn.aborted;
    const stream = await openai().chat.completions.create({
      model: 'gpt-4.1',
      messages: prompt.messages,
      stream: true,
    });
    for await (const chunk of stream) {
      expect(chunk.object).toBe('chat.completion.chunk');
      stream.controller.abort();
      break;
    }
    await expect.poll(() => standIn.aborted).toBeGreaterThan(before);
  });
});
