// Every supported combination of nginx, engine and entry point (docs/architecture.md).

import { describe } from 'vitest';

export interface Variant {
  name: string;
  runtime: 'debian13' | 'debian14';
  engine: 'qjs' | 'njs';
  entry: 'access' | 'auth_request';
}

export const variants: Variant[] = [
  { name: 'nginx 1.30 qjs js_access', runtime: 'debian14', engine: 'qjs', entry: 'access' },
  { name: 'nginx 1.30 qjs auth_request', runtime: 'debian14', engine: 'qjs', entry: 'auth_request' },
  { name: 'nginx 1.30 njs auth_request', runtime: 'debian14', engine: 'njs', entry: 'auth_request' },
  { name: 'nginx 1.26 njs auth_request', runtime: 'debian13', engine: 'njs', entry: 'auth_request' },
];

/** `describe.each(variants)` for tests that mostly wait: the variants run at once, the tests of each in turn. */
export function describeAtOnce(name: string, tests: (variant: Variant) => void): void {
  describe.concurrent.each(variants)('$name', (variant) => {
    describe.sequential(name, () => tests(variant));
  });
}
