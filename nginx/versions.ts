// Versions of nginx and njs: what Keygate needs, what it can use, and which Debian releases have them.

/** The oldest njs that Keygate runs on. */
export const oldestNjs = '0.8.9';

/** Debian's releases whose nginx is tested and can be unpacked, by their name in NGINX_RUNTIME. */
export const debianSuites = { debian13: 'trixie', debian14: 'forky' } as const;

export type DebianRelease = keyof typeof debianSuites;
export type Suite = (typeof debianSuites)[DebianRelease];

/** Directives by the nginx version that brought them, as `since_<version>.conf`: an older nginx gets no such file. */
export const directivesSince: { [version: string]: string } = {
  '1.27.4': 'keepalive_min_timeout 5s;\n',
  '1.29.3': 'add_header_inherit merge;\n',
};

export type Engine = 'qjs' | 'njs';

/** The JavaScript engines of an njs that was built with both, best first. */
export function enginesOf(njsVersion: string): Engine[] {
  return isAtLeast(njsVersion, '1.0.0') ? ['qjs', 'njs'] : ['njs'];
}

const safeAccessSince = '1.0.1';

/** Whether js_access exists in an njs and can't be bypassed there. */
export function hasJsAccess(njsVersion: string): boolean {
  return isAtLeast(njsVersion, safeAccessSince);
}

/** @returns why js_access (guard_access.conf) may not be used, as `needs ...`; undefined where it may */
export function checkJsAccess({ njsVersion, engine }: { njsVersion: string; engine: Engine }): string | undefined {
  if (!hasJsAccess(njsVersion))
    return `needs njs ${safeAccessSince} or newer, not njs ${njsVersion} (0.9.9 to 1.0.0: bypass CVE-2026-18329)`;
  return engine === 'qjs' ? undefined : `needs the engine qjs, not ${engine}`;
}

/** Compares dotted versions by their numbers. */
export function isAtLeast(version: string, least: string): boolean {
  const [a, b] = [version, least].map((text) => text.split('.').map(Number)) as [number[], number[]];
  const place = b.findIndex((part, index) => part !== a[index]);
  return place < 0 || (a[place] ?? 0) > (b[place] as number);
}
