// What is read from `nginx -T`.

import { describe, expect, it } from 'vitest';
import { readOperatorConfig } from '../../nginx/operator_config.js';

describe('readOperatorConfig', () => {
  it('finds nothing in a configuration that has nothing of ours', () => {
    const config = readOperatorConfig('# configuration file /etc/nginx/nginx.conf:\nevents {}\nhttp { server { listen 80; } }\n'); // prettier-ignore
    expect(config).toEqual({ hasScripts: false, runsKeygate: false, usesJsAccess: false, loadsNjs: false });
  });

  it('finds what must not be there twice', () => {
    const config = readOperatorConfig(`
      user www-data www-data;
      load_module modules/ngx_http_js_module.so;
      error_log /var/log/nginx/error.log info;
      http { resolver 10.0.0.2 valid=5s; large_client_header_buffers 8 16k; variables_hash_max_size 4096;
        js_fetch_trusted_certificate /etc/ssl/ca.pem; js_engine qjs; }`);
    expect(config).toEqual({
      engine: 'qjs',
      hasScripts: false,
      runsKeygate: false,
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
    ['js_content app.hello;', true, false],
    ['js_set $x app.x;', true, false],
    ['js_content keygate.token;', false, false],
    ['js_import keygate from /etc/nginx/keygate/keygate.js;', false, true],
    ['# js_content app.hello;', false, false],
    ['add_header X "js_content app.hello;";', false, false],
    ["add_header X 'a\\';js_content app.hello;';", false, false],
    ['add_header X ${y}; # }', false, false],
    ['set $x a#b; js_content app.hello;', true, false],
  ])('reads %j as scripts of the operator: %s, ours: %s', (line, hasScripts, runsKeygate) => {
    expect(readOperatorConfig(`http { server { location / { ${line}\n } } }`)).toMatchObject({ hasScripts, runsKeygate }); // prettier-ignore
  });

  it.each([
    ['js_engine qjs; js_engine qjs;', 'qjs'],
    ['js_engine njs;', 'njs'],
    ['js_engine njs; server { js_engine qjs; }', 'mixed'],
    ['#js_engine qjs;\n', undefined],
  ])('reads the engine of %j as %s', (text, engine) => {
    expect(readOperatorConfig(text).engine).toBe(engine);
  });
});
