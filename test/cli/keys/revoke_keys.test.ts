// An admin who revokes a key that stands in several lines.

import { describe, expect, it } from 'vitest';
import { nodePlatform } from '../../../node/crypto.js';
import { revokeLines } from '../../../cli/keys/revoke_keys.js';

const hash = (key: string) => `$sha256$${nodePlatform.sha256(key)}`;

describe('revokeLines', () => {
  it('takes out every line of the name and keeps all else as it is', () => {
    const text = `\ufeffalice:${hash('1')}\r\n# alice:comment\r\nbob:${hash('2')}\r\n  alice:${hash('3')} scope=a \r\n`;
    expect(revokeLines(text, 'alice')).toMatchObject({
      text: `# alice:comment\r\nbob:${hash('2')}\r\n`,
      revoked: 2,
      unusable: 0,
    });
  });

  it('takes out lines that would count as soon as the first is gone: the same key, whatever its name', () => {
    const text = [
      `alice:${hash('1')}`,
      `alice:${hash('1')}`,
      `bob:${hash('1')} scope=a`,
      hash('1'),
      `bob:${hash('2')}`,
      '',
    ];
    expect(revokeLines(text.join('\n'), 'alice')).toMatchObject({ text: `bob:${hash('2')}\n`, revoked: 4 });
  });

  it('takes a plaintext key out with the line that has its hash', () => {
    expect(revokeLines(`alice:${hash('plain-key')}\nplain-key\nother-key`, 'alice').text).toBe('other-key');
  });

  it('takes out lines of the name that can not be used now', () => {
    const text = `alice:plaintext\nalice:$2b$15$x\nalice:${hash('1')} nonsense\nbob:${hash('2')}\n`;
    expect(revokeLines(text, 'alice')).toMatchObject({
      text: `bob:${hash('2')}\n`,
      revoked: 0,
      unusable: 3,
    });
  });

  it('takes out nothing for a name that only begins or ends alike', () => {
    const text = `alice2:${hash('1')}\nal:${hash('2')}\nAlice:${hash('3')}\nalice\n`;
    expect(revokeLines(text, 'alice')).toMatchObject({ text, revoked: 0, unusable: 0 });
  });

  it('takes out all lines but comments when no name is given, and never leaves a file of zero bytes', () => {
    const text = `# mine\nalice:${hash('1')}\n\nnonsense line\nplain-key`;
    expect(revokeLines(text, undefined)).toMatchObject({ text: '# mine\n', revoked: 2, unusable: 1 });
    expect(revokeLines('plain-key', undefined).text).toBe('# API keys, one a line\n');
    expect(revokeLines(`alice:${hash('1')}\r\n`, 'alice').text).toBe('# API keys, one a line\n');
  });
});
