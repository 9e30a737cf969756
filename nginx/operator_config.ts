// What an operator's configuration already has, read from `nginx -T`: what Keygate's lines must not repeat.

import { flatten, parseDirectives } from './directives.js';

export interface OperatorConfig {
  /** Whether a location of it is guarded by guard_access.conf. */
  usesJsAccess: boolean;
  loadsNjs: boolean;
  /** The values of directives that may stand once only in a context; undefined where they are not used. */
  headerBuffers: string | undefined;
  resolver: string | undefined;
  trustedCertificate: string | undefined;
  variablesHashMaxSize: string | undefined;
  /** The level of error logs that say more than `notice`. */
  talkativeLog: string | undefined;
  /** What user the workers run as. */
  user: string | undefined;
}

/** Reads the text of `nginx -T`; Keygate's own files in it don't count. */
export function readOperatorConfig(dump: string): OperatorConfig {
  const directives = flatten(parseDirectives(dump)).map(({ words }) => words.join(' '));
  const valueOf = (name: string) =>
    directives.find((one) => one.startsWith(`${name} `))?.slice(name.length + 1);
  return {
    usesJsAccess: directives.includes('js_access keygate.access'),
    loadsNjs: directives.some((one) => /^load_module .*ngx_http_js_module\.so"?$/.test(one)),
    headerBuffers: valueOf('large_client_header_buffers'),
    resolver: valueOf('resolver'),
    trustedCertificate: valueOf('js_fetch_trusted_certificate'),
    variablesHashMaxSize: valueOf('variables_hash_max_size'),
    talkativeLog: directives.map((one) => /^error_log .*\s(info|debug)$/.exec(one)?.[1]).find(Boolean),
    user: valueOf('user'),
  };
}
