// What an operator's configuration already has: what Keygate's lines must not repeat.

import { nameOfOurs, type Configuration } from './configuration.js';
import { unquote, type Directive } from './directives.js';

export interface OperatorConfig {
  /** Whether a location of it is guarded by guard_access.conf. */
  usesJsAccess: boolean;
  loadsNjs: boolean;
  /** The values of directives that may stand once only in a context; undefined where they are not used. */
  headerBuffers: string | undefined;
  resolver: string | undefined;
  trustedCertificate: string | undefined;
  variablesHashMaxSize: string | undefined;
  /** The level of an error log that says more than `notice`. */
  talkativeLog: string | undefined;
  /** The user that the workers run as. */
  user: string | undefined;
}

/** Reads a configuration; Keygate's own files in it don't count. */
export function readOperatorConfig(configuration: Configuration): OperatorConfig {
  const { all } = configuration;
  const valuesOf = (name: string) =>
    all.filter(({ words }) => words[0] === name).map(({ words }) => words.slice(1).join(' '));
  const valueOf = (name: string) => valuesOf(name)[0];
  const isGuardAccess = (one: Directive) => nameOfOurs(one, configuration) === 'guard_access.conf';
  return {
    usesJsAccess: valuesOf('js_access').includes('keygate.access') || all.some(isGuardAccess),
    loadsNjs: valuesOf('load_module').some((path) => /ngx_http_js_module\.so$/.test(unquote(path))),
    headerBuffers: valueOf('large_client_header_buffers'),
    resolver: valueOf('resolver'),
    trustedCertificate: valueOf('js_fetch_trusted_certificate'),
    variablesHashMaxSize: valueOf('variables_hash_max_size'),
    talkativeLog: valuesOf('error_log')
      .map((one) => /\s(info|debug)$/.exec(one)?.[1])
      .find(Boolean),
    user: valueOf('user'),
  };
}
