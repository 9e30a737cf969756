// Settings about clients, as nginx's configuration has them.

import { describe, expect, it } from 'vitest';
import { renderClientCertificates, renderPages, renderResource } from '../../../nginx/gateway/render_clients.js';
import { readSettings } from '../../../settings/read.js';
import { table } from '../../../settings/table.js';

describe('renderPages', () => {
  it('has no map without an origin: asking.conf says that no page may read', () => {
    expect(renderPages([])).toBe('# CORS_ORIGINS: none\n');
  });

  it('has a line for each origin, and another word for all others', () => {
    expect(renderPages(['https://a.example', 'http://localhost:3000'])).toBe(
      'map $http_origin $keygate_page_origin {\n' +
        '    https://a.example $http_origin;\n    http://localhost:3000 $http_origin;\n    default none;\n}\n',
    );
  });

  it('has no line twice, which nginx would not start with', () => {
    const { corsOrigins } = readSettings({
      CORS_PREFLIGHT: 'pass',
      CORS_ORIGINS: 'https://a.example, b://c, https://a.example',
    });
    expect(renderPages(corsOrigins).match(/http_origin;/g)).toHaveLength(2);
  });

  // A key of a map that begins with ~ would be a pattern, and a few words are directives of the map.
  it.each([
    '~.*',
    '~https://a',
    'default',
    'hostnames',
    'volatile',
    'include',
    '*',
    'null',
    'none',
    'https://a.example/',
    'https://a;b',
    'https://*.a',
    '',
  ])('never has the line %j: it is no origin', (origin) => {
    expect(table.CORS_ORIGINS.isValid(origin)).toBe(false);
    expect(table.CORS_ORIGINS.isValid(`https://a.example,${origin}`)).toBe(false);
  });
});

describe('renderResource', () => {
  const wellKnown = '/.well-known/oauth-protected-resource';
  const line = (path: string) => `location = ${path} { include keygate/resource_metadata.conf; }\n`;

  it('has a location for each path of the metadata', () => {
    expect(renderResource(undefined)).toBe('# OAUTH_RESOURCE: not set\n');
    expect(renderResource('https://a.example')).toBe(line(wellKnown));
    expect(renderResource('https://a.example/mcp')).toBe(line(wellKnown) + line(`${wellKnown}/mcp`));
  });

  it.each(['https://a.example/;return', 'https://a.example/{', 'https://a.example/$host', 'https://a.example/ b'])(
    'has nothing of %j, which is no identifier',
    (resource) => {
      expect(renderResource(resource)).toBe('');
    },
  );
});

describe('renderClientCertificates', () => {
  const render = (env: { [name: string]: string }) => renderClientCertificates(readSettings(env));

  it('asks for a certificate only where the setting is on', () => {
    expect(render({})).toBe('# CLIENT_CERTIFICATES=off\n');
    expect(render({ CLIENT_CERTIFICATES: 'on' })).toBe('ssl_verify_client optional_no_ca;\n');
  });

  it('names the authority, and how long a chain may be', () => {
    expect(render({ CLIENT_CERTIFICATES: 'on', CLIENT_CA: '/etc/ca.pem' })).toBe(
      'ssl_verify_client optional_no_ca;\nssl_client_certificate /etc/ca.pem;\nssl_verify_depth 5;\n',
    );
  });
});
