// What the snippets may hold, so that nothing of an operator's is defined twice or set for them, and nothing of theirs
// stands before an answer of ours.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { refusals, type Reason } from '../../auth/refusals.js';
import { faultOf } from '../gateway/harness/audit_log.js';
import { readSnippet } from '../nginx/filled_snippets.js';
import { flatten, parseDirectives, type Directive } from '../../nginx/configuration/directives.js';

const root = join(import.meta.dirname, '../..');
const names = readdirSync(join(root, 'nginx/snippets'));
const read = readSnippet;
const template = readFileSync(join(root, 'nginx/gateway/nginx.conf.template'), 'utf8');

/** Directives at the top of a snippet, with what follows their name. */
function statements(text: string): [name: string, rest: string][] {
  return parseDirectives(text).map(({ words: [name = '', ...rest] }) => [name, rest.join(' ')]);
}

interface Allowed {
  /** What a snippet of this context says after `Include in:`. */
  context: 'http' | 'server' | 'location';
  directives: string[];
}

const http = (...directives: string[]): Allowed => ({ context: 'http', directives });
const server = (...directives: string[]): Allowed => ({ context: 'server', directives });
const location = (...directives: string[]): Allowed => ({ context: 'location', directives });

// What may stand any number of times, or nowhere else. `satisfy` is the exception: a second one in a guarded location
// is to be refused. What has a location or a server to itself may hold whatever goes there.
const allowed: { [snippet: string]: Allowed } = {
  'settings.conf': http('js_var', 'upstream'),
  'front_settings.conf': http('map'),
  'http.conf': http('include'),
  'asking.conf': http('include', 'map', 'limit_req_zone', 'limit_conn_zone'),
  'audit.conf': http('map', 'log_format'),
  'certificate.conf': http('map'),
  'request_id.conf': http('map'),
  'decision_address.conf': http('upstream'),
  'decision_asker.conf': http('map'),
  'decision_server.conf': http('js_shared_dict_zone', 'js_var', 'include', 'map', 'server'),
  'decision_listen.conf': server('listen'),
  'metrics.conf': http('js_shared_dict_zone', 'map', 'js_set', 'log_format', 'limit_conn_zone', 'server'),
  'count_requests.conf': server('js_engine', 'js_import'),
  'sidecar.conf': server('location'),
  'locations.conf': server('set', 'if', 'location'),
  'guard.conf': server('include', 'set', 'if'),
  'routes.conf': server('location'),
  'guard_location.conf': location('if', 'set', 'include'),
  'guard_access.conf': location(
    'if',
    'set',
    'auth_request',
    'js_engine',
    'js_import',
    'js_access',
    'satisfy',
    'error_page',
    'include',
  ),
  'verdict.conf': location('include', 'auth_request', 'auth_request_set', 'satisfy', 'error_page'),
  'open.conf': location('auth_request', 'if'),
  'errors.conf': location('error_page'),
  'proxy_headers.conf': location('proxy_set_header'),
  'limit_headers.conf': location('proxy_hide_header', 'add_header'),
  'grpc_headers.conf': location('grpc_set_header'),
  'fastcgi_headers.conf': location('fastcgi_param'),
  'uwsgi_headers.conf': location('uwsgi_param'),
  'scgi_headers.conf': location('scgi_param'),
  'decision_secret.conf': location('proxy_set_header'),
};

const ofOurOwn = [
  'ask.conf',
  'to_decision.conf',
  'to_sidecar.conf',
  'unchanged.conf',
  'refusal.conf',
  'resource_metadata.conf',
  'metrics_server.conf',
];
const inOurServer = [
  'decision_server.conf',
  'decision_listen.conf',
  'decision_asker.conf',
  'metrics.conf',
  'metrics_server.conf',
  'sidecar.conf',
  'to_sidecar.conf',
];

describe('snippets', () => {
  it('are all known here', () => {
    expect([...names].sort()).toEqual([...Object.keys(allowed), ...ofOurOwn].sort());
  });

  it.each(names)('%s is whole', (name) => {
    expect(statements(`${read(name)} end;`).at(-1)).toEqual(['end', '']);
    expect(statements(read(name))).not.toEqual([]);
  });

  it.each(Object.keys(allowed))('%s holds no other directive than its context bears', (name) => {
    const { context, directives } = allowed[name] as Allowed;
    const found = [...new Set(statements(read(name)).map(([directive]) => directive))].sort();
    expect(found.filter((directive) => !directives.includes(directive))).toEqual([]);
    expect(read(name).split('Include in: ')[1]?.split(/[.;]/)[0]).toMatch(context);
  });

  it.each(names)('%s names nothing that is not called keygate', (name) => {
    for (const { words, block } of flatten(parseDirectives(read(name)))) {
      const [directive, ...args] = words;
      const rest = args.join(' ');
      if (directive === 'js_var' || directive === 'set' || directive === 'auth_request_set')
        expect(rest).toMatch(/^\$keygate_/);
      if (directive === 'map') expect(rest).toMatch(/ \$keygate_\w+$/);
      if (directive === 'log_format') expect(rest).toMatch(/^keygate_/);
      if (directive === 'js_set') expect(rest).toMatch(/^\$keygate_\w+ keygate(?:_\w+)?\.\w+$/);
      if (directive === 'js_import') expect(rest).toMatch(/^keygate(?:_\w+)? from /);
      if (directive === 'js_shared_dict_zone') expect(rest).toMatch(/^zone=keygate_/);
      if (/^limit_(?:req|conn)_zone$/.test(directive ?? '')) expect(rest).toMatch(/ zone=keygate_/);
      if (directive === 'upstream') expect(rest).toMatch(/^keygate_\w+$/);
      // The metrics server is asked by the names of loopback, on a port of its own.
      if (directive === 'server_name') expect(rest).toMatch(/^(?:keygate_\w+|localhost 127\.0\.0\.1 \[::1\])$/);
      if (directive === 'include') expect(rest).toMatch(/^keygate\//);
      if (directive === 'location' && block !== undefined && /^(?:locations|sidecar)\.conf$/.test(name))
        expect(rest).toMatch(/^(= |\^~ )?(\/_keygate_|@keygate_)/);
    }
  });

  it('include only what is shipped, or may be absent', () => {
    const included = [...names.map(read), template]
      .flatMap((text) => flatten(parseDirectives(text)))
      .filter(({ words }) => words[0] === 'include')
      .map(({ words }) => words[1] ?? '');
    const ours = included.flatMap((path) => /^keygate\/([a-z_]+\.conf)$/.exec(path)?.[1] ?? []);
    expect(ours.length).toBeGreaterThan(20);
    expect(ours.filter((name) => !names.includes(name))).toEqual([]);
  });

  it('give a front without njs each setting that it reads, with the default that settings.conf has', () => {
    const given = [...read('front_settings.conf').matchAll(/^map "" \$(keygate_\w+) \{ default (".*?"); \}/gm)];
    const shipped = [...read('settings.conf').matchAll(/^js_var \$(keygate_\w+) (".*?");/gm)];
    const front = names.filter((name) => !inOurServer.includes(name) && !/settings\.conf$/.test(name));
    const text = front.map((name) => read(name).replace(/^\s*#.*$/gm, '')).join('\n');
    const isRead = (name = '') => new RegExp(`\\$${name}\\b`).test(text);
    expect(given.length).toBeGreaterThan(5);
    expect(given.map(([, name, value]) => [name, value])).toEqual(
      shipped.filter(([, name]) => isRead(name)).map(([, name, value]) => [name, value]),
    );
  });

  it.each(names)('%s opens with the header that every snippet has', (name) => {
    const header = read(name).split('\n\n')[0] ?? '';
    const parts = ['Include in: ', 'Needs: ', 'Sets: ', 'Edit here: '];
    for (const part of parts) expect(header.split(part), part).toHaveLength(2);
    expect(header.split('Include in: ')[0]).toMatch(/^# [^\n]{20,}/);
    expect(header.split('\n').every((line) => /^#(?: |$)/.test(line))).toBe(true);
  });

  it('drop or overwrite the same headers toward every kind of application', () => {
    const set = (name: string) => statements(read(name)).map(([, rest]) => (rest.split(' ')[0] ?? '').toLowerCase());
    expect(set('grpc_headers.conf')).toEqual(set('proxy_headers.conf'));
    const asParams = new Set(set('proxy_headers.conf').map((header) => `http_${header.replaceAll('-', '_')}`));
    for (const kind of ['fastcgi', 'uwsgi', 'scgi'])
      expect(set(`${kind}_headers.conf`).sort()).toEqual([...asParams, 'remote_user'].sort());
  });
});

/** A block with the snippets that it includes put in their places. */
function withIncludes(block: Directive[]): Directive[] {
  return block.flatMap((one) => {
    const name = one.words[0] === 'include' ? /^keygate\/([a-z_]+\.conf)$/.exec(one.words[1] ?? '')?.[1] : undefined;
    return name === undefined ? [one] : withIncludes(parseDirectives(read(name)));
  });
}

const hasErrorPage = (block: Directive[]) => withIncludes(block).some(({ words }) => words[0] === 'error_page');

describe("an operator's error_page", () => {
  const files = ['locations.conf', 'decision_server.conf', 'sidecar.conf', 'routes.conf'];

  it.each(files)('does not hold in the locations of %s', (name) => {
    const seen: string[] = [];
    const walk = (directives: Directive[], isCovered: boolean) => {
      for (const { words, block } of directives) {
        if (block === undefined) continue;
        if (words[0] === 'location') {
          seen.push(words.join(' '));
          expect(isCovered || hasErrorPage(block), words.join(' ')).toBe(true);
        }
        walk(withIncludes(block), isCovered || (words[0] === 'server' && hasErrorPage(block)));
      }
    };
    walk(parseDirectives(read(name)), false);
    expect(seen).not.toEqual([]);
  });

  it('does not hold where a question is asked, nor in what answers for nginx in the full gateway', () => {
    expect(hasErrorPage(parseDirectives(read('ask.conf')))).toBe(true);
    const ours = flatten(parseDirectives(template)).filter(
      ({ words }) => words[0] === 'location' && /_keygate_|@keygate_/.test(words.join(' ')),
    );
    expect(ours).toHaveLength(4);
    const answering = ours.filter(({ words }) => words[1] !== '@keygate_streamed'); // its answers are the upstream's
    expect(answering).toHaveLength(3);
    for (const { words, block } of answering) expect(hasErrorPage(block ?? []), words.join(' ')).toBe(true);
  });
});

describe('the answer to a refusal', () => {
  const locations = parseDirectives(read('locations.conf'));
  const blockOf = (name: string) => locations.find(({ words }) => words[1] === name)?.block ?? [];

  /** Statuses that a location takes from the verdict. */
  const answered = (name: string) =>
    blockOf(name).flatMap(({ words, block }) => {
      const status = words[0] === 'if' && words[1] === '($keygate_status' ? (words[3] ?? '').replace(')', '') : '';
      if (status !== '') expect(block).toMatchObject([{ words: ['return', status, '$keygate_body'] }]);
      return status === '' ? [] : [Number(status)];
    });

  const sources = ['auth', 'njs/decision', 'verifier'].flatMap((name) =>
    readdirSync(join(root, name))
      .filter((file) => file.endsWith('.ts') && file !== 'refusals.ts' && file !== 'token_request.ts')
      .map((file) => readFileSync(join(root, name, file), 'utf8')),
  );
  const decided = (Object.keys(refusals()) as Reason[]).filter((reason) =>
    sources.some((text) => text.includes(`'${reason}'`)),
  );

  it('has the status of each reason that a decision gives, and no other', () => {
    expect(decided.length).toBeGreaterThan(40);
    const statuses = [...new Set(decided.map((reason) => refusals()[reason].status as number))].sort();
    expect([...answered('@keygate_unauthorized'), ...answered('@keygate_denied')].sort()).toEqual(statuses);
    expect(answered('@keygate_unauthorized')).toEqual([401]);
  });

  it('is a refusal where there is no verdict', () => {
    const last = (name: string) => blockOf(name).at(-1)?.words.slice(0, 2);
    expect(last('@keygate_unauthorized')).toEqual(['return', '401']);
    expect(last('@keygate_denied')).toEqual(['return', '403']);
    for (const fault of ['@keygate_undecided', '@keygate_unreached']) expect(last(fault)).toEqual(['return', '403']);
  });
});

// A pattern that matches would overwrite the operator's own $1, which a proxy_pass after the decision may use.
describe('what a guarded request evaluates', () => {
  const evaluated = names.filter((name) => !inOurServer.includes(name));
  // nginx evaluates the values of auth_request_set in the question's own request, which has captures of its own.
  const isOfAQuestion = (map: string) => /^map \S+ \$keygate_asked_/.test(map);

  it.each(evaluated)('%s holds no pattern', (name) => {
    const walk = (directives: Directive[], parent: string) => {
      for (const { words, block } of directives) {
        const text = words.join(' ');
        if (parent.startsWith('map ') && !isOfAQuestion(parent)) expect(text).not.toMatch(/^["']?~/);
        if (words[0] === 'if') expect(text).not.toMatch(/ !?~/);
        if (words[0] === 'location') expect(text).not.toMatch(/ ~/);
        if (words[0] === 'rewrite') expect(parent).toBe('if ($request_length = 0)');
        walk(block ?? [], text);
      }
    };
    walk(parseDirectives(read(name)), '');
  });

  it('reads the maps of a question in auth_request_set alone', () => {
    const readers = evaluated
      .flatMap((name) => flatten(parseDirectives(read(name))))
      .filter(({ words, block }) => !isOfAQuestion(words.join(' ')) && block === undefined)
      .filter(({ words }) => words.join(' ').includes('$keygate_asked_'));
    expect(new Set(readers.map(({ words }) => words[0]))).toEqual(new Set(['auth_request_set']));
  });

  it('is told from a subrequest by one pattern, which only subrequests meet', () => {
    const rewrites = evaluated
      .flatMap((name) => flatten(parseDirectives(read(name))))
      .filter(({ words }) => words[0] === 'rewrite');
    expect(rewrites.map(({ words }) => words.join(' '))).toEqual(['rewrite ^/_keygate_ $uri break']);
  });
});

describe('the audit log', () => {
  const schema = JSON.parse(readFileSync(join(root, 'docs/audit.schema.json'), 'utf8')) as {
    required: string[];
    properties: { [field: string]: { type: string } };
  };
  const docs = readFileSync(join(root, 'docs/audit.md'), 'utf8');
  const logged = read('audit.conf').split('log_format keygate_audit escape=json ')[1] ?? '';
  const fields = [...logged.matchAll(/"(\w+)":("?)\$/g)].map(([, name, quote]) => [name, quote === '"']);

  it('has the same fields in log_format, schema and docs, and the same types', () => {
    const inSchema = Object.entries(schema.properties).map(([name, { type }]) => [name, type]);
    const inDocs = [...docs.matchAll(/^\| `(\w+)` +\| (\w+) /gm)].map(([, name, type]) => [name, type]);
    expect(inDocs).toEqual(inSchema);
    expect(fields).toEqual(inSchema.map(([name, type]) => [name, type === 'string']));
    expect(schema.required).toEqual(Object.keys(schema.properties));
  });

  it('has an example in the docs that fits the schema', () => {
    const example = /^ {4}(\{.*\})$/m.exec(docs)?.[1] ?? '';
    expect(faultOf(example)).toBeUndefined();
    expect(faultOf(example.replace('/v1/messages', '/v1/messages?beta=true'))).toContain('/path');
    expect(faultOf(example.replace('alice', 'al\u2028ice'))).toContain('/subject');
  });
});
