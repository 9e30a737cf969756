// Lines that an operator adds: nothing twice, nothing that the place does not need.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { adviceFor, linesToAdd, type Wanted } from '../../../nginx/placement/lines_to_add.js';
import { readConfiguration } from '../../../nginx/configuration/configuration.js';
import { readOperatorConfig } from '../../../nginx/configuration/operator_config.js';

const wanted: Wanted = {
  dir: '/k',
  modulePath: '/m/ngx_http_js_module.so',
};

describe('linesToAdd', () => {
  it('names everything where the configuration is not known', () => {
    const { main, http, ...others } = linesToAdd(wanted, undefined);
    const bare = (lines: string[]) => lines.map((line) => line.replace(/;.*/, ''));
    expect(main).toEqual(['load_module /m/ngx_http_js_module.so;']);
    expect(bare(http)).toEqual([
      'include /k/http.conf',
      'large_client_header_buffers 4 32k',
      'variables_hash_max_size 4096',
    ]);
    expect(bare(others.server)).toEqual(['include /k/guard.conf', 'include /k/routes.conf']);
    expect(bare(others.passing)).toEqual(['include /k/proxy_headers.conf']);
    expect(bare(others.open)).toEqual(['include /k/open.conf']);
  });

  it('includes only files that are shipped', () => {
    const lines = Object.values(linesToAdd(wanted, undefined)).flat() as string[];
    const included = lines.flatMap((line) => /^include \/k\/([^;]+);/.exec(line)?.[1] ?? []);
    expect(readdirSync(join(import.meta.dirname, '../../../nginx/snippets'))).toEqual(expect.arrayContaining(included));
    expect(included).toHaveLength(5);
  });

  it('leaves out what is there already, and a module that is built in', () => {
    const config = readOperatorConfig(
      readConfiguration(
        'load_module modules/ngx_http_js_module.so; http { large_client_header_buffers 4 8k; ' +
          'variables_hash_max_size 4096; }',
        '/k',
      ),
    );
    const lines = linesToAdd(wanted, config);
    expect(lines.main).toEqual([]);
    expect(lines.http).toEqual(['include /k/http.conf;']);
    expect(linesToAdd({ ...wanted, modulePath: '' }, undefined).main).toEqual([]);
  });
});

describe('adviceFor', () => {
  const advice = (text: string) => adviceFor(readOperatorConfig(readConfiguration(text, '/k'))).join('\n');

  it('names a resolver and certificates for JWKS_URL unless they are there', () => {
    expect(advice('http { }')).toMatch(/\$keygate_jwks_url.*resolver .*js_fetch_trusted_certificate /);
    expect(advice('http { resolver 10.0.0.2; js_fetch_trusted_certificate /ca.pem; }')).toBe('');
  });

  it.each([
    ['4 8k', true],
    ['4 16384', true],
    ['4 32k', false],
    ['2 1m', false],
  ])('says so where the header buffers %s are too small for long tokens: %s', (buffers, isTold) => {
    expect(advice(`large_client_header_buffers ${buffers};`).includes('large_client')).toBe(isTold);
  });

  it.each([
    ['error_log /e.log info;', true],
    ['error_log /e.log debug;', true],
    ['error_log /e.log;', false],
    ['error_log /e/info notice;', false],
  ])('warns of credentials in the log of %j: %s', (line, isTold) => {
    expect(advice(line).includes('doubled Authorization')).toBe(isTold);
  });
});
