// Whether the sidecar answers, asked by Docker from inside the container.

import { request } from 'node:http';
import { contentType } from '../verifier/content_type.js';

const socketPath = process.env['VERIFIER_SOCKET'] ?? '/run/keygate/verifier.sock';
const headers = { 'content-type': contentType };

const sent = request({ socketPath, path: '/health', method: 'POST', headers, timeout: 2000 }, (response) => {
  process.exit(response.statusCode === 200 ? 0 : 1);
});
sent.on('timeout', () => sent.destroy());
sent.on('error', () => process.exit(1));
sent.end('{}');
