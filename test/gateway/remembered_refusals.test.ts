// How long a wrong key is remembered that bcrypt has refused. In gateways of its own: whoever asks beside another test
// makes nginx take a second context, which knows less.

import { hashSync } from '@node-rs/bcrypt';
import { describe, it } from 'vitest';
import { startCountedSidecar, untilTakenUp } from './harness/counted_sidecar.js';
import { startGateway } from './harness/gateway.js';
import { variants } from './harness/variants.js';

const key = 'key-nobody-has';
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe.concurrent.each(variants)('$name: a wrong key', (variant) => {
  it('is remembered for ten seconds after bcrypt refused it', async ({ expect: expectHere }) => {
    const keys = `somebody:${hashSync('key-of-somebody', 4)}\n`;
    const gateway = await startGateway({ variant, keys, sidecar: false });
    const sidecar = await startCountedSidecar(gateway);
    try {
      await untilTakenUp(gateway);
      const ask = async () => (await gateway.send('/', { headers: { 'x-api-key': key } })).status;
      expectHere(await ask()).toBe(401);
      const startedMs = Date.now();
      while (sidecar.asked(key) === 1 && Date.now() - startedMs < 25000) {
        await pause(400);
        expectHere(await ask()).toBe(401);
      }
      const rememberedMs = Date.now() - startedMs;
      expectHere(rememberedMs).toBeGreaterThan(9500);
      expectHere(rememberedMs).toBeLessThan(25000);
      expectHere(sidecar.asked(key)).toBe(2);
    } finally {
      await gateway.stop();
      await sidecar.stop();
    }
  }, 60000);
});
