// What is read from `nginx -T`.

import { describe, expect, it } from 'vitest';
import { readConfiguration } from '../../../nginx/configuration/configuration.js';
import { readOperatorConfig } from '../../../nginx/configuration/operator_config.js';

describe('readOperatorConfig', () => {
  it('finds nothing in a configuration that has nothing of ours', () => {
    const config = readOperatorConfig(
      readConfiguration(
        '# configuration file /etc/nginx/nginx.conf:\nevents {}\nhttp { server { listen 80; } }\n',
        '/k',
      ),
    );
    expect(config).toEqual({ usesJsAccess: false, loadsNjs: false });
  });

  it('finds what must not be there twice', () => {
    const config = readOperatorConfig(
      readConfiguration(
        `
      user www-data www-data;
      load_module modules/ngx_http_js_module.so;
      error_log /var/log/nginx/error.log info;
      http { resolver 10.0.0.2 valid=5s; large_client_header_buffers 8 16k; variables_hash_max_size 4096;
        js_fetch_trusted_certificate /etc/ssl/ca.pem; }`,
        '/k',
      ),
    );
    expect(config).toEqual({
      usesJsAccess: false,
      loadsNjs: true,
      headerBuffers: '8 16k',
      resolver: '10.0.0.2 valid=5s',
      trustedCertificate: '/etc/ssl/ca.pem',
      variablesHashMaxSize: '4096',
      talkativeLog: 'info',
      user: 'www-data www-data',
    });
  });

  it.each([
    ['js_access keygate.access;', true],
    ['js_access app.access;', false],
    ['js_content keygate.ask;', false],
    ['# js_access keygate.access;', false],
    ['add_header X "js_access keygate.access;";', false],
    ['set $x a#b; js_access keygate.access;', true],
  ])('reads %j as a location that js_access guards: %s', (line, usesJsAccess) => {
    const text = `http { server { location / { ${line}\n } } }`;
    expect(readOperatorConfig(readConfiguration(text, '/k'))).toMatchObject({ usesJsAccess });
  });
});
