// What copilot-api v0.7.0 does as far as its image can tell: `start --port`, the token from its file, GET /.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';

const token = readFileSync(join(homedir(), '.local/share/copilot-api/github_token'), 'utf8');
const digest = createHash('sha256').update(token).digest('hex');
const port = process.argv[process.argv.indexOf('--port') + 1];

const server = createServer((request, response) => {
  if (request.url === '/slow') return void setTimeout(() => response.end('slow'), 3000);
  response.end(request.url === '/' ? 'Server running' : JSON.stringify({ copilot: true, digest }));
});
server.listen(Number(port));
