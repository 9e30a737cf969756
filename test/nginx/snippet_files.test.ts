// The snippets of one installation: what it alone knows stands in them, in each place that needs it.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatRefusal } from '../../auth/answer.js';
import { plainIdPattern } from '../../auth/audit.js';
import type { Reason } from '../../auth/refusals.js';
import { requestIdPattern } from '../../auth/request_id.js';
import { sidecarMediaType } from '../../auth/key_record.js';
import { usualTargetPattern } from '../../auth/target.js';
import {
  fillBodies,
  fillTables,
  plainPath,
  snippetFiles,
  traceparent,
  type SnippetFacts,
} from '../../nginx/snippet_files.js';

const sourceDir = join(import.meta.dirname, '../../nginx');
const shipped = readdirSync(join(sourceDir, 'snippets'));
const read = (name: string) => readFileSync(join(sourceDir, 'snippets', name), 'utf8');
const facts: SnippetFacts = {
  sourceDir,
  engine: 'qjs',
  nginxVersion: '1.26.3',
  decisionAddress: '127.0.0.1:9147',
  decisionSecret: 'none',
};
const fill = (changed: Partial<SnippetFacts> = {}) => snippetFiles({ ...facts, ...changed });

/** The snippets that differ from those of the facts above. */
function changedBy(changed: Partial<SnippetFacts>): string[] {
  const before = fill();
  return Object.entries(fill(changed))
    .filter(([name, text]) => before[name] !== text)
    .map(([name]) => name)
    .sort();
}

describe('snippetFiles', () => {
  it('holds every snippet, and leaves each as it is shipped but for what only an installation knows', () => {
    const files = fill();
    expect(Object.keys(files).sort()).toEqual([...shipped].sort());
    for (const name of shipped) {
      const text = read(name)
        .replace('SIDECAR_MEDIA_TYPE', sidecarMediaType)
        .replace('"~TARGET"', () => `"~${usualTargetPattern}"`)
        .replace('"~REQUEST_ID"', () => `"~${requestIdPattern}"`)
        .replace('"~PLAIN_PATH"', () => `"~${plainPath}"`)
        .replace('"~TRACEPARENT"', () => `"~${traceparent}"`)
        .replaceAll('"~PLAIN_ID"', () => `"~${plainIdPattern}"`);
      expect(files[name], name).toBe(fillTables(fillBodies(text)));
    }
  });

  it.each([
    ['127.0.0.1:9148', ['127.0.0.1:9148']],
    ['[::1]:9147', ['[::1]:9147']],
    ['unix:/run/k$1/d.sock', [1, 2, 3, 4].map((number) => `unix:/run/k$1/d.sock.${number}`)],
  ])(
    'names the address %s to the decision server and to those who ask it, Unix sockets by four',
    (decisionAddress, addresses) => {
      const files = fill({ decisionAddress });
      const named = (name: string, pattern: RegExp) =>
        [...(files[name] ?? '').matchAll(pattern)].map(([, address]) => address);
      expect(named('decision_listen.conf', /^listen (\S+) backlog=\d+;$/gm)).toEqual(addresses);
      expect(named('decision_address.conf', /^ {4}server (\S+) max_fails=0;/gm)).toEqual(addresses);
      expect(changedBy({ decisionAddress })).toEqual(['decision_address.conf', 'decision_listen.conf']);
    },
  );

  it('reads nothing of a certificate where nginx has no TLS', () => {
    expect(changedBy({ hasTls: false })).toEqual(['certificate.conf']);
    const files = fill({ hasTls: false });
    expect(Object.keys(files).filter((name) => files[name]?.includes('$ssl_client'))).toEqual([]);
    expect(files['certificate.conf']).toBe('map "" $keygate_certificate { default ""; }\n');
  });

  it("sends providers' headers with a question, reads them everywhere and keeps them from the upstream", () => {
    const files = fill({ credentialHeaders: ['x-goog-api-key', 'x-one'], providerHeaders: ['x-one', 'x-two'] });
    expect(files['asking.conf']).toContain('default "$keygate_credential_headers,x-one,x-two\\t$keygate_jwt_audience');
    expect(files['asking.conf']).toContain('$keygate_sent_headers { default "x-goog-api-key,x-one,x-two"; }');
    expect(files['asking.conf']).toContain('$keygate_provider_headers { default "x-one,x-two"; }');
    for (const name of ['to_decision.conf', 'proxy_headers.conf', 'grpc_headers.conf'])
      expect(files[name]?.match(/_set_header X-(?:Goog-Api-Key|One|Two) /g), name).toHaveLength(3);
  });

  it('gives the decision server and those who ask it one secret, and lets nobody in without', () => {
    const decisionSecret = 'a1'.repeat(16);
    const files = fill({ decisionSecret });
    expect(files['decision_secret.conf']).toContain(`\nproxy_set_header X-Keygate-Secret ${decisionSecret};\n`);
    expect(files['decision_asker.conf']).toMatch(new RegExp(`\\{\n    ${decisionSecret} 1;\n    default "";\n\\}`));
    expect(changedBy({ decisionSecret })).toEqual(['decision_asker.conf', 'decision_secret.conf']);
  });

  it('has all JavaScript but that of js_access run on the engine', () => {
    const ofEngine = ['count_requests.conf', 'decision_server.conf', 'metrics.conf'];
    for (const name of ofEngine) {
      expect(fill({ engine: 'njs' })[name]).toMatch(/^ *js_engine njs;/m);
      expect(fill({ engine: 'qjs' })[name]).toMatch(/^ *js_engine qjs;/m);
    }
    expect(changedBy({ engine: 'njs' }).sort()).toEqual(ofEngine);
  });

  it.each([
    ['1.26.3', []],
    ['1.27.3', []],
    ['1.27.4', ['since_1_27_4.conf']],
    ['1.29.2', ['since_1_27_4.conf']],
    ['1.29.3', ['since_1_27_4.conf', 'since_1_29_3.conf']],
    ['1.30.6', ['since_1_27_4.conf', 'since_1_29_3.conf']],
    ['2.0.0', ['since_1_27_4.conf', 'since_1_29_3.conf']],
  ])('has what nginx %s knows and older ones do not: %j', (nginxVersion, names) => {
    expect(changedBy({ nginxVersion })).toEqual(names);
    const files = fill({ nginxVersion });
    for (const name of names) expect(files[name]).toMatch(/^[a-z_]+ \w+;\n$/);
  });

  it('includes each file of a version where it may be absent', () => {
    const all = shipped.map(read).join('\n');
    for (const name of Object.keys(fill({ nginxVersion: '2.0.0' })).filter((one) => /^since/.test(one)))
      expect(all).toContain(`include keygate/${name}*;`);
  });
});

describe('fillBodies', () => {
  const filled = [
    ...shipped
      .map(read)
      .join('\n')
      .matchAll(/'@([a-z_]+)@'/g),
  ].map(([, reason]) => reason as Reason);

  it('puts the body of a refusal in its place', () => {
    expect(fillBodies("return 403 '@forbidden@';")).toBe(`return 403 '${formatRefusal('forbidden').body}';`);
    const files = fill();
    for (const name of shipped) {
      const reasons = [...read(name).matchAll(/'@([a-z_]+)@'/g)].map(([, reason]) => reason as Reason);
      for (const reason of reasons) expect(files[name]).toContain(`'${formatRefusal(reason).body}';`);
      expect(files[name]).not.toMatch(/@[a-z_]+@/);
    }
  });

  it('throws for what is no reason', () => {
    expect(() => fillBodies("return 403 '@no_such_reason@';")).toThrow('@no_such_reason@ is no reason');
    expect(() => fillBodies("return 403 '@constructor@';")).toThrow('@constructor@ is no reason');
  });

  it.each([...new Set(filled)])('has a body of %s that nginx reads as it is', (reason) => {
    expect(formatRefusal(reason).body).not.toMatch(/['\\$\n]/);
  });

  it('answers with the status of the reason', () => {
    const returns = [
      ...shipped
        .map(read)
        .join('\n')
        .matchAll(/return (\d+) '@([a-z_]+)@';/g),
    ];
    expect(returns.length).toBeGreaterThan(5);
    for (const [, status, reason] of returns)
      expect(formatRefusal(reason as Reason).status, reason).toBe(Number(status));
  });
});
