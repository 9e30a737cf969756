// What njs-types lacks: functions newer than it, and our own names in nginx's configuration.

/// <reference path="../node_modules/njs-types/ngx_http_js_module.d.ts" />

/** Set by the bundler: whether the bundle is for QuickJS, whose contexts outlive a request. */
declare const KEYGATE_QUICKJS: boolean;

/** Set by the bundler: the version of this package. */
declare const KEYGATE_VERSION: string;

interface NjsGlobal {
  /** njs or QuickJS. */
  readonly engine: string;
}

interface NginxHTTPRequest {
  /** js_access only (njs 0.9.9): lets the request go on. */
  decline(): void;
}

interface NginxVariables {
  keygate_client_request_id?: string;
  keygate_admitted?: string;
  /** Includes the variables of auth/identity_headers.ts. */
  [identity: `keygate_${string}`]: string | undefined;
  keygate_reason?: string;
}

interface NgxGlobalShared {
  readonly keygate_state: NgxSharedDict<string>;
  readonly keygate_keys_a: NgxSharedDict<string>;
  readonly keygate_keys_b: NgxSharedDict<string>;
  readonly keygate_sources: NgxSharedDict<string>;
  readonly keygate_verdicts: NgxSharedDict<string>;
  readonly keygate_refused: NgxSharedDict<string>;
  readonly keygate_budgets: NgxSharedDict<number>;
  readonly keygate_limits: NgxSharedDict<number>;
  /** Absent where metrics are off. */
  readonly keygate_metrics: NgxSharedDict<number> | undefined;
  readonly keygate_metrics_texts: NgxSharedDict<string>;
}
