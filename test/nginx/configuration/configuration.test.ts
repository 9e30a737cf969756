// `nginx -T` read as one tree: which file and line each directive has, and what an include brings into its place.

import { describe, expect, it } from 'vitest';
import { inPlace, nameOfOurs, readConfiguration } from '../../../nginx/configuration/configuration.js';
import { flatten, type Directive } from '../../../nginx/configuration/directives.js';

const dir = '/etc/nginx/keygate';

/** Text as `nginx -T` prints it. */
const dump = (files: { [path: string]: string }) =>
  Object.entries(files)
    .map(([path, text]) => `# configuration file ${path}:\n${text}\n`)
    .join('');

/** A tree with all includes in their places, as `words @ file:line`. */
function tell(directives: Directive[]): string[] {
  return inPlace(directives).flatMap((one) => [
    `${one.words.join(' ')} @ ${one.file}:${one.line}`,
    ...tell(one.block ?? []),
  ]);
}

const top = (files: { [path: string]: string }) => tell(readConfiguration(dump(files), dir).top);

describe('readConfiguration', () => {
  it('counts lines within each file', () => {
    expect(
      top({
        '/n/nginx.conf': 'events {}\n\nhttp {\n  include a.conf;\n  c\n    d;\n}',
        '/n/a.conf': '# first\n"x\ny" z;\nb;',
      }),
    ).toEqual([
      'events @ /n/nginx.conf:1',
      'http @ /n/nginx.conf:3',
      'include a.conf @ /n/nginx.conf:4',
      '"x\ny" z @ /n/a.conf:2',
      'b @ /n/a.conf:4',
      'c d @ /n/nginx.conf:5',
    ]);
  });

  it('puts files into the server and location that include them, in each place', () => {
    const lines = top({
      '/etc/nginx/nginx.conf': 'http { include sites-enabled/*; }',
      '/etc/nginx/sites-enabled/b': 'server { location / { include snippets/app.conf; } }',
      '/etc/nginx/snippets/app.conf': 'proxy_pass http://app;',
      '/etc/nginx/sites-enabled/a': 'server {\n include "/etc/letsencrypt/options.conf"; include snippets/app.conf; }',
      '/etc/letsencrypt/options.conf': 'ssl_ciphers x;',
    });
    expect(
      lines.map((line) =>
        line
          .split(' @ ')
          .map((part) => part.replace('/etc/nginx/', ''))
          .join(' @ '),
      ),
    ).toEqual([
      'http @ nginx.conf:1',
      'include sites-enabled/* @ nginx.conf:1',
      'server @ sites-enabled/a:1',
      'include "/etc/letsencrypt/options.conf" @ sites-enabled/a:2',
      'ssl_ciphers x @ /etc/letsencrypt/options.conf:1',
      'include snippets/app.conf @ sites-enabled/a:2',
      'proxy_pass http://app @ snippets/app.conf:1',
      'server @ sites-enabled/b:1',
      'location / @ sites-enabled/b:1',
      'include snippets/app.conf @ sites-enabled/b:1',
      'proxy_pass http://app @ snippets/app.conf:1',
    ]);
  });

  it.each([
    ['d/*.conf', ['a.conf', 'b.conf']],
    ['d/?.conf', ['a.conf', 'b.conf']],
    ['d/[!a].conf', ['b.conf']],
    ['d/[a-b].con?', ['a.conf', 'b.conf']],
    ['d/.*.conf', ['.hidden.conf']],
    ['*/a.conf', ['a.conf']],
    ['*', []],
    ['d/a+conf', []],
    ['d/../d/a.conf', ['a.conf']],
  ])('finds the files of `include %s`: %j', (pattern, names) => {
    const files = ['a.conf', 'b.conf', '.hidden.conf', 'e/c.conf'].map((name): [string, string] => [
      `/n/d/${name}`,
      `x ${name};`,
    ]);
    const found = top({ '/n/nginx.conf': `include ${pattern};`, ...Object.fromEntries(files) });
    expect(found.slice(1).map((line) => line.split(' ')[1])).toEqual(names);
  });

  it('takes no comment within a file for the start of another, nor what nginx says before the first', () => {
    const warned = 'nginx: [warn] increase variables_hash_max_size: 1024; ignoring\nnginx: syntax is ok\n';
    const text = 'http {\n# configuration file /x:\n a;\n}\nb "\n# configuration file /y:\n";';
    const { top, mainFile } = readConfiguration(warned + dump({ '/n/nginx.conf': text }), dir);
    expect(mainFile).toBe('/n/nginx.conf');
    expect(tell(top).map((line) => line.replace(/\n/g, ''))).toEqual([
      'http @ /n/nginx.conf:1',
      'a @ /n/nginx.conf:3',
      'b "# configuration file /y:" @ /n/nginx.conf:5',
    ]);
  });

  it('knows files of Keygate by their names, and leaves them closed', () => {
    const files = {
      '/etc/nginx/nginx.conf':
        'include keygate/a.conf; include /etc/nginx/keygate/a.conf; include /other/keygate/a.conf;',
      [`${dir}/a.conf`]: 'ours;',
      [`${dir}/settings.conf`]: 'js_var $x 1;',
    };
    const configuration = readConfiguration(dump(files), dir);
    expect(configuration.top.map((one) => nameOfOurs(one, configuration))).toEqual(['a.conf', 'a.conf', '']);
    expect(tell(configuration.top).join()).not.toContain('ours');
    expect(flatten(configuration.all).map(({ words }) => words[0])).toEqual(['include', 'include', 'include']);
    expect(configuration.settings.map(({ words }) => words)).toEqual([['js_var', '$x', '1']]);
  });

  it('reads one file that is no dump, and files that include each other, to their end', () => {
    expect(tell(readConfiguration('a;\nb { c; }', dir).top)).toEqual(['a @ :1', 'b @ :2', 'c @ :2']);
    expect(top({ '/n/x': 'include y;', '/n/y': 'a; include x;' })).toEqual([
      'include y @ /n/x:1',
      'a @ /n/y:1',
      'include x @ /n/y:1',
    ]);
  });
});
