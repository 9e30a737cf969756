// What becomes of requests while wrong keys fill the sidecar's queue.

import { hashSync } from '@node-rs/bcrypt';
import { describe, it, vi } from 'vitest';
import { startCountedSidecar, untilTakenUp } from './harness/counted_sidecar.js';
import { startGateway } from './harness/gateway.js';
import { variants } from './harness/variants.js';

const generated = `kg_Ab3dE6gH_${'s'.repeat(43)}`;
const entries = [
  `alice:${hashSync('alice-key', 4)}`,
  // About two seconds for a wrong key, with rests: what is asked meanwhile must end before them on a busy machine too
  ...Array.from({ length: 10 }, (_, i) => `other${i}:${hashSync(`other-key-${i}`, 10)}`),
  `named:${hashSync(generated, 4)} id=Ab3dE6gH`,
  'plain-key',
];

describe.each(variants)('$name: while the queue is full', (variant) => {
  it('asks the sidecar no more, but for a key that names its entry, until there is a place again', async ({
    expect,
  }) => {
    const gateway = await startGateway({ variant, keys: `${entries.join('\n')}\n`, sidecar: false });
    const sidecar = await startCountedSidecar(gateway, { BCRYPT_THREADS: '1', BCRYPT_QUEUE: '2' });
    const ask = (key: string) => gateway.send('/', { headers: { 'x-api-key': key } });
    const status = async (key: string) => (await ask(key)).status;
    try {
      await untilTakenUp(gateway);
      const filling = Promise.all(['first', 'second', 'third'].map(status));
      await expect.poll(() => sidecar.asked()).toBe(3);
      for (let i = 0; i < 40; i++) {
        const answer = await ask(`wrong-${i}`);
        expect(answer.status).toBe(503);
        expect(answer.headers['retry-after']).toBe('1');
        expect(answer.json().error.code).toBe('verifier_unavailable');
      }
      expect(sidecar.asked()).toBeLessThan(23);
      expect(await status('plain-key')).toBe(200);
      expect(await status(generated)).toBe(200);
      expect(await status('alice-key')).toBe(503);
      expect([401, 503]).toContain((await filling)[0]);
      await vi.waitFor(async () => expect(await status('alice-key')).toBe(200), 20000);
      expect(gateway.errorLog()).not.toContain('verify gave status');
    } finally {
      await gateway.stop();
      await sidecar.stop();
    }
  });
});
