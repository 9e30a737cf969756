// The examples as operators have them, put where a test can run them: paths, ports and applications are a test's.

import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import type { OperatorPlaces } from './gateway.js';
import { temporaryFolders } from './embedded.js';
import type { Variant } from './variants.js';

const examples = join(import.meta.dirname, '../../../examples');

export type Edition = 'nginx.conf' | 'nginx.keygate.conf';

/** A file of an example. */
export function readExample(folder: string, file: string): string {
  return readFileSync(join(examples, folder, file), 'utf8');
}

export interface Placing {
  variant: Variant;
  /** Addresses in the example and what stands there in the test. */
  applications: { [written: string]: string };
  /** Files by their absolute path in the example. */
  files: { [path: string]: string };
}

/** An example's configuration with a test's places in it; writes the files that it serves. */
export function placeExample(folder: string, edition: Edition, placing: Placing): (places: OperatorPlaces) => string {
  return (places) => {
    const { dir, port, facts } = places;
    const move = (text: string) =>
      text
        .replaceAll('/etc/nginx/', `${dir}/nginx/`)
        .replaceAll('/var/www/', `${dir}/www/`)
        .replaceAll('/var/log/nginx/', `${dir}/`);
    for (const [path, content] of Object.entries(placing.files)) writeOld(move(path), content);
    let text = move(readExample(folder, edition))
      .replace('user www-data;', facts.userDirective)
      .replace('worker_processes auto;', 'worker_processes 1; daemon off;')
      .replace('/run/nginx.pid', `${dir}/nginx.pid`)
      .replace('modules/ngx_http_js_module.so', facts.modulePath)
      .replace(/listen 80\b/, `listen 127.0.0.1:${port}`)
      .replace('http {', `http {\n${temporaryFolders(places)}`);
    for (const [written, actual] of Object.entries(placing.applications)) text = text.replaceAll(written, actual);
    return placing.variant.entry === 'access' ? text.replaceAll('/guard_location.conf', '/guard_access.conf') : text;
  };
}

// Of one age, so that ETag and Last-Modified are the same in each place.
function writeOld(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  utimesSync(path, 1700000000, 1700000000);
}

/** Sends a request's bytes and returns the answer's, without what differs from moment to moment and port to port. */
export function exchange(url: string, request: string): Promise<string> {
  const { port } = new URL(url);
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(request, 'latin1'));
    socket.on('data', (part: Buffer) => parts.push(part));
    socket.on('error', reject);
    socket.on('close', () => {
      const answer = Buffer.concat(parts).toString('latin1');
      resolve(answer.replace(/^(Date|Expires): .*\r\n/gm, '').replaceAll(`:${port}`, ':80'));
    });
  });
}
