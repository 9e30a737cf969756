// What a settings.conf lacks beside the shipped one.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareSettings } from '../../../nginx/placement/compare_settings.js';

const shipped = readFileSync(join(import.meta.dirname, '../../../nginx/snippets/settings.conf'), 'utf8');

describe('compareSettings', () => {
  it('finds nothing in the shipped file, nor where only values and comments differ', () => {
    expect(compareSettings(shipped, shipped)).toEqual([]);
    const edited = shipped
      .replace('"30";', '10 ;')
      .replace(/#.*/g, '')
      .replaceAll('unix:/run/keygate/verifier.sock', '127.0.0.1:8081');
    expect(compareSettings(edited, shipped)).toEqual([]);
  });

  it('names a setting that is missing, with its line, and one that is in a comment', () => {
    const lacking = shipped.replace(/^js_var \$keygate_jwks_ttl/m, '# js_var $keygate_jwks_ttl');
    expect(compareSettings(lacking, shipped)).toEqual(['lacks js_var $keygate_jwks_ttl "300";']);
  });

  it('names a setting that this version does not know', () => {
    expect(compareSettings(`${shipped}\njs_var $keygate_jwt_audiense "x";\n`, shipped)).toEqual([
      'sets $keygate_jwt_audiense, which this version does not know',
    ]);
  });

  it('notices a sidecar that is named in one place only, or not at all', () => {
    const moved = shipped.replace('server unix:/run/keygate/verifier.sock ', 'server 127.0.0.1:8081 ');
    expect(compareSettings(moved, shipped)).toEqual([
      'names two places of the sidecar: $keygate_sidecar is unix:/run/keygate/verifier.sock, upstream ' +
        'keygate_sidecar has 127.0.0.1:8081',
    ]);
    expect(compareSettings(shipped.replace(/^upstream[^}]*\}/m, ''), shipped)).toEqual([
      'lacks upstream keygate_sidecar { server ...; }',
    ]);
  });
});
