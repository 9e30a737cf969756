// A program over its limit, written with one of the usual SDKs and nothing of its own against limits: the SDK waits for
// as long as the gateway says, or gives up at once where the wait is long.

import AnthropicV1 from '@anthropic-ai/sdk';
import AnthropicV0 from 'anthropic-sdk-0';
import type { AddressInfo } from 'node:net';
import OpenAIV6 from 'openai';
import OpenAIV7 from 'openai-7';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { hashKey } from '../../cli/keys/new_key.js';
import { makeStandIn, type StandIn } from '../../stand_in/upstream.js';
import { startGateway, type Gateway } from './harness/gateway.js';
import { variants } from './harness/variants.js';

const text = 'Hello from the stand-in.';
const openaiRequest = { model: 'gpt-4.1', messages: [{ role: 'user' as const, content: 'hi' }] };
const anthropicRequest = { ...openaiRequest, model: 'claude-sonnet-4', max_tokens: 16 };

/** What an SDK is made with; its retries are its own. */
interface Options {
  apiKey: string;
  baseURL: string;
  fetch: typeof fetch;
}

interface Sdk {
  name: string;
  limitError: new (...args: never[]) => Error;
  ask: (options: Options) => Promise<string | null | undefined>;
  stream: (options: Options) => Promise<string>;
}

function openaiSdk(name: string, OpenAI: typeof OpenAIV6): Sdk {
  const open = ({ baseURL, ...options }: Options) => new OpenAI({ ...options, baseURL: `${baseURL}/v1` });
  return {
    name,
    limitError: OpenAI.RateLimitError,
    ask: async (options) =>
      (await open(options).chat.completions.create(openaiRequest)).choices[0]?.message.content ?? undefined,
    stream: async (options) => {
      let said = '';
      for await (const chunk of await open(options).chat.completions.create({ ...openaiRequest, stream: true }))
        said += chunk.choices[0]?.delta.content ?? '';
      return said;
    },
  };
}

function anthropicSdk(name: string, Anthropic: typeof AnthropicV0): Sdk {
  return {
    name,
    limitError: Anthropic.RateLimitError,
    ask: async (options) => {
      const [part] = (await new Anthropic(options).messages.create(anthropicRequest)).content;
      return part?.type === 'text' ? part.text : undefined;
    },
    stream: async (options) => new Anthropic(options).messages.stream(anthropicRequest).finalText(),
  };
}

const sdks = [
  openaiSdk('openai 6', OpenAIV6),
  // Its makers promise nothing for a Node.js before 22; it runs on 20 as well.
  openaiSdk('openai 7', OpenAIV7 as unknown as typeof OpenAIV6),
  anthropicSdk('anthropic 0', AnthropicV0),
  anthropicSdk('anthropic 1', AnthropicV1 as unknown as typeof AnthropicV0), // called alike
];
const ways = ['ask', 'stream'] as const;
const cases = sdks.flatMap((sdk) => ways.map((way) => ({ sdk, way, id: `${sdk.name.replace(' ', '-')}-${way}` })));

interface Exchange {
  startedMs: number;
  endedMs: number;
  retryAfterMs: number;
}

// The cases run side by side, each with a key of its own. The engine makes no difference to a client.
describe.each(variants.filter(({ engine }) => engine === 'qjs'))('$name: SDKs over a limit', (variant) => {
  let gateway: Gateway;
  let standIn: StandIn;

  beforeAll(async () => {
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'; // the test's certificate is its own
    standIn = makeStandIn({ chunkMs: 5 });
    await new Promise<void>((resolve) => standIn.server.listen(0, '127.0.0.1', resolve));
    const { port } = standIn.server.address() as AddressInfo;
    const lines = cases.map(async ({ id }) => [
      `soon-${id}:${await hashKey(`key-soon-${id}`, false)} rate=30/m`,
      `late-${id}:${await hashKey(`key-late-${id}`, false)} rate=1/h`,
    ]);
    const keys = `${(await Promise.all(lines)).flat().join('\n')}\n`;
    gateway = await startGateway({
      variant,
      keys,
      env: { UPSTREAM_URL: `http://127.0.0.1:${port}` },
    });
  });

  afterAll(async () => {
    await gateway?.stop();
    standIn.server.closeAllConnections();
    standIn.server.close();
    delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
  });

  const spend = async (name: string) => {
    const answer = await gateway.send('/v1/models', { headers: { 'x-api-key': `key-${name}` } });
    expect(answer.status, answer.body).toBe(200);
  };
  const watch = (name: string) => {
    const exchanges: Exchange[] = [];
    const watched: typeof fetch = async (...args) => {
      const startedMs = performance.now();
      const answer = await fetch(...args);
      const retryAfterMs = Number(answer.headers.get('retry-after-ms'));
      exchanges.push({ startedMs, endedMs: performance.now(), retryAfterMs });
      return answer;
    };
    return { exchanges, options: { apiKey: `key-${name}`, baseURL: gateway.url, fetch: watched } };
  };
  // The first line is of the request that spent the budget. nginx logs a request after its answer.
  const statuses = async (name: string, count: number) => {
    const logged = () =>
      gateway
        .audited()
        .filter(({ subject }) => subject === name)
        .map(({ status }) => status);
    await vi.waitFor(() => expect(logged().length).toBeGreaterThanOrEqual(count + 1), { timeout: 20000 });
    return logged().slice(1);
  };

  it.concurrent.each(cases)('$sdk.name ($way) waits for a short time, and succeeds', async ({ sdk, way, id }) => {
    const name = `soon-${id}`;
    await spend(name);
    const { exchanges, options } = watch(name);
    expect(await sdk[way](options)).toBe(text);
    expect(exchanges.length).toBeGreaterThanOrEqual(2);
    expect(exchanges.length).toBeLessThanOrEqual(3);
    const refused = exchanges.slice(0, -1);
    expect(await statuses(name, exchanges.length)).toEqual([...refused.map(() => 429), 200]);
    refused.forEach(({ endedMs, retryAfterMs }, i) => {
      expect(retryAfterMs).toBeGreaterThan(0);
      const waitedMs = (exchanges[i + 1] as Exchange).startedMs - endedMs;
      expect(waitedMs).toBeGreaterThanOrEqual(retryAfterMs - 2); // a timer may end a little early
    });
  });

  it.concurrent.each(cases)('$sdk.name ($way) gives up at once before a long wait', async ({ sdk, way, id }) => {
    const name = `late-${id}`;
    await spend(name);
    const { exchanges, options } = watch(name);
    const failure = await sdk[way](options).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(sdk.limitError);
    expect(failure).toMatchObject({ status: 429 });
    expect(String(failure)).toContain('This credential has sent too many requests.');
    expect(exchanges).toHaveLength(1);
    expect(await statuses(name, 1)).toEqual([429]);
  });
});
