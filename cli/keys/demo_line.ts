// The demo key's line in a key file: written by `npm start`, taken out as soon as there is a real key.

export const demoComment = '# The demo key that npm start made. `keygate key new NAME` takes it out; so may you.';

const demoLine = /^demo:\$sha256\$\S+$/;

/** A key file's text without the demo key. */
export function withoutDemoKey(text: string): string {
  const lines = text.split('\n');
  if (!lines.includes(demoComment)) return text;
  return lines.filter((line) => line !== demoComment && !demoLine.test(line)).join('\n');
}
