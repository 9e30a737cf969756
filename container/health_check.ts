// Whether the sidecar answers, asked by Docker from inside the container.

import { askHealth } from '../node/ask_sidecar.js';

const path = process.env['VERIFIER_SOCKET'] ?? '/run/keygate/verifier.sock';
const answer = await askHealth({ path }, '');
process.exitCode = answer?.status === 200 ? 0 : 1;
