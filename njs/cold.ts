// Everything that a known credential does not need; see load_cold.ts. One default export, as build/bundle.js expects.

import { judgeAccess, judgeVerify } from './answer.js';
import { ready } from './health.js';
import { jwks } from './jwks_route.js';
import { refresh } from './refresh.js';
import { denied, failed, refuse } from './refusal_answer.js';
import { fetchWantedJwks, refreshJwks } from './remote_jwks.js';
import { report } from './report.js';
import { token } from './token_route.js';

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
