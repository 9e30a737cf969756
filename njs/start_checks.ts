// What a configuration lacks without nginx or a request noticing: said once, when the configuration is first run.

/** Logs a line for each fault. */
export function checkAtStart(variables: NginxVariables): void {
  if (!KEYGATE_QUICKJS && njs.engine === 'QuickJS') {
    ngx.log(ngx.WARN, 'keygate: keygate.js is the bundle for js_engine njs, but the engine is qjs: slower than need be; run `keygate install` again'); // prettier-ignore
  }
  const { keygate_jwks_url, keygate_jwt_issuer, keygate_jwt_audience } = variables;
  if (keygate_jwks_url && (!keygate_jwt_issuer || !keygate_jwt_audience)) {
    ngx.log(ngx.WARN, 'keygate: $keygate_jwks_url is set: $keygate_jwt_issuer and $keygate_jwt_audience need values, or the word any, in settings.conf or in each guarded location'); // prettier-ignore
  }
}
