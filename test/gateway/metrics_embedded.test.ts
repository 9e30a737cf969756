// An operator who adds metrics.conf to a configuration of his own, and keeps his own access log.

import { afterEach, describe, expect, it } from 'vitest';
import { startEmbedded } from './harness/embedded.js';
import { freePort } from './harness/free_port.js';
import type { Gateway } from './harness/gateway.js';
import { samplesOf, scrapeUntil, total } from './harness/metrics.js';
import { variants } from './harness/variants.js';

const key = `kg_Ab3dE6gH_${'s'.repeat(43)}`;
const right = { headers: { 'x-api-key': key } };
let gateway: Gateway;
afterEach(() => gateway.stop());

describe.each(variants)('$name: metrics of an embedded gateway', (variant) => {
  it('count decisions, and where they are asked for requests', async () => {
    const port = await freePort();
    const onPort = (text: string) => text.replaceAll('listen 127.0.0.1:9145', `listen 127.0.0.1:${port}`);
    gateway = await startEmbedded({
      variant,
      keys: `${key} id=Ab3dE6gH\n`,
      edit: { 'keygate/metrics.conf': onPort },
      http: 'include keygate/metrics.conf;',
      server: ({ facts }) => `include keygate/count_requests.conf;
        access_log ${facts.accessLog} operator;
        access_log /dev/null keygate_nothing if=$keygate_counted;
        location /api/ { GUARD proxy_pass http://app; }
        location /uncounted/ { GUARD access_log off; proxy_pass http://app; }
        location /open { return 200 open; }`,
    });
    for (const path of ['/api/x', '/api/x', '/uncounted/x']) await gateway.send(path, right);
    await gateway.send('/api/x');
    await gateway.send('/open');
    await gateway.send('/token', { method: 'POST', ...right });
    await gateway.send('/health');
    const samples = await scrapeUntil(port, (one) => total(one, 'keygate_requests_total') >= 5);
    expect(samplesOf(samples, 'keygate_requests_total')).toEqual({
      '{route="api",code="2xx",auth="api_key"}': 2,
      '{route="api",code="4xx",auth="none"}': 1,
      '{route="other",code="2xx",auth="none"}': 1,
      '{route="token",code="2xx",auth="none"}': 1,
    });
    expect(samples.get('keygate_decisions_total{verdict="admitted",reason=""}')).toBe(4);
    expect(samples.get('keygate_key_requests_total{key="Ab3dE6gH"}')).toBe(4);
    expect(samples.has('keygate_certificate_expiry_timestamp_seconds')).toBe(false);
    const own = () => gateway.accessLog().split('\n');
    await expect.poll(() => own().filter((line) => line.includes('/api/x'))).toHaveLength(3);
  });
});
