// An operator who copies an entry from docs/providers.md.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseProviders } from '../../auth/providers.js';

const page = readFileSync(join(import.meta.dirname, '../../docs/providers.md'), 'utf8');
const blocks = page.match(/(?:^ {4}.*\n)+/gm) ?? [];
const examples = blocks.filter((block) => block.startsWith('    {"name"') || block.startsWith('    {"providers"'));

describe('docs/providers.md', () => {
  it('has an example of the whole file and one for each known provider', () => {
    expect(examples.length).toBeGreaterThan(15);
  });

  it.each(examples)('holds the file or entry %s without a fault', (example) => {
    const text = example.startsWith('    {"providers"') ? example : `{"providers": [${example}]}`;
    expect(parseProviders(text)).toHaveProperty('providers');
  });
});
