// Headless Chromium for tests: the machine's own, or Debian's unpacked into the cache, without root.

import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { unpackPrograms } from '../../nginx/runtime/unpack_nginx.js';

/** How to start a Chromium, as Playwright takes it. */
export interface Chromium {
  executablePath: string;
  args: string[];
  env: { [name: string]: string };
}

const names = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome'];

/** @returns a Chromium, or why there is none */
export function findChromium(): Chromium | { missing: string } {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const installed = folders
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => existsSync(path));
  if (installed !== undefined) return { executablePath: installed, args: [], env: {} };
  try {
    return unpackChromium();
  } catch (error) {
    return { missing: error instanceof Error ? error.message : String(error) };
  }
}

// Fonts but for one family, and drivers for graphics and sound: 100 MB that a page of text does without.
const unneeded =
  /^(?:cdebconf|debconf|fonts-(?!liberation).*|gcc-.*|libdebian.*|libgl1.*|libglx.*|libice6|libllvm.*|libnewt.*|libreadline.*|libsensors.*|libslang.*|libsm6|libtextwrap.*|libvulkan.*|libxaw.*|libxft.*|libxinerama.*|libxkbfile.*|libxmu.*|libxt6.*|libxv1|libxxf.*|libz3.*|lsb-base|mesa.*|readline-common|sysvinit.*|x11-.*|xdg-.*|xfonts.*)$/;

const program = 'chromium-headless-shell';

function unpackChromium(): Chromium {
  const { home, loader, libraries } = unpackPrograms('trixie', [program], (name) => !unneeded.test(name));
  const folder = join(home, 'usr/lib/chromium');
  const ready = join(home, 'keygate');
  if (!existsSync(ready)) prepare(home, { folder, loader, libraries });
  const executablePath = join(ready, 'start');
  return {
    executablePath,
    // No zygote: it starts children by /proc/self/exe, which is the loader.
    args: ['--no-zygote', `--browser-subprocess-path=${executablePath}`],
    env: { FONTCONFIG_FILE: join(ready, 'fonts.conf') },
  };
}

// Chromium looks for its data beside /proc/self/exe, so the loader is copied there.
function prepare(home: string, { folder, loader, libraries }: { folder: string; loader: string; libraries: string }) {
  cpSync(loader, join(folder, 'loader'), { dereference: true });
  mkdirSync(join(home, 'tmp'), { recursive: true });
  const work = mkdtempSync(join(home, 'tmp', 'keygate-'));
  const start = join(work, 'start');
  const paths = [libraries, join(libraries, 'pulseaudio')].join(':');
  writeFileSync(
    start,
    `#!/bin/sh\nexec '${folder}/loader' --library-path '${paths}' '${join(folder, program)}' "$@"\n`,
  );
  chmodSync(start, 0o755);
  writeFileSync(join(work, 'fonts.conf'), fontsConf(home));
  try {
    renameSync(work, join(home, 'keygate'));
  } catch {
    rmSync(work, { recursive: true }); // another run was first
  }
}

// One family for whatever a page names, so that pages look the same on every machine.
function fontsConf(home: string): string {
  const use = (font: string, test: string) =>
    `<match target="pattern">${test}<edit name="family" mode="assign" binding="same">` +
    `<string>${font}</string></edit></match>`;
  const isMono = '<test name="family" compare="contains"><string>mono</string></test>';
  return `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<dir>${home}/usr/share/fonts</dir><cachedir>${home}/keygate/fonts</cachedir>
${use('Liberation Mono', isMono)}
${use('Liberation Sans', isMono.replace('contains', 'not_contains'))}</fontconfig>\n`;
}
