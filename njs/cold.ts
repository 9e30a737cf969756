// Everything that a known credential does not need; see load_cold.ts. One default export, as build/bundle.js expects.

import { judgeAccess, judgeVerify } from './answer.js';
import { ready } from './routes/health.js';
import { jwks } from './routes/jwks.js';
import { refresh } from './keys/refresh.js';
import { denied, failed, refuse } from './decision/refusal.js';
import { fetchWantedJwks, refreshJwks } from './keys/remote_jwks.js';
import { report } from './sidecar/report.js';
import { token } from './routes/token.js';

export default {
  judgeAccess,
  judgeVerify,
  denied,
  failed,
  refuse,
  token,
  jwks,
  ready,
  refresh,
  refreshJwks,
  fetchWantedJwks,
  report,
};
