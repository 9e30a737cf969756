// What a settings.conf lacks, or has too much, beside the one that is shipped.

/**
 * Compares the names that two versions of settings.conf set.
 * @returns a line for each difference; none when nginx and Keygate find all they need
 */
export function compareSettings(current: string, shipped: string): string[] {
  const has = settingsOf(current);
  const needs = settingsOf(shipped);
  const lines = Object.keys(needs).filter((name) => has[name] === undefined).map((name) => `lacks ${needs[name]}`); // prettier-ignore
  for (const name of Object.keys(has)) {
    if (needs[name] === undefined) lines.push(`sets $${name}, which this version does not know`);
  }
  const server = /upstream\s+keygate_sidecar\s*\{[^}]*?server\s+([^\s;]+)/.exec(
    withoutComments(current),
  )?.[1];
  const told = /^js_var \$keygate_sidecar "?([^\s";]*)"?;/.exec(has['keygate_sidecar'] ?? '')?.[1];
  if (server === undefined) lines.push('lacks upstream keygate_sidecar { server ...; }');
  else if (told !== undefined && told !== server) {
    lines.push(`names two places of the sidecar: $keygate_sidecar is ${told}, upstream keygate_sidecar has ${server}`); // prettier-ignore
  }
  return lines;
}

function settingsOf(text: string): { [name: string]: string } {
  const found: { [name: string]: string } = {};
  for (const match of withoutComments(text).matchAll(/^\s*(js_var\s+\$(keygate_\w+)[^;]*;)/gm)) {
    found[match[2] as string] = (match[1] as string).replace(/\s+/g, ' ');
  }
  return found;
}

function withoutComments(text: string): string {
  return text.replace(/(^|[\s;])#.*$/gm, '$1');
}
