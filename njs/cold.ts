// Everything that a known credential does not need; see load_cold.ts. One default export, as build/bundle.js expects.

import { ready } from './health.js';
import { judge } from './judge.js';
import { jwks } from './jwks_route.js';
import { refresh } from './refresh.js';
import { denied, failed, recordRefusal, refuse, sendRefusal } from './refusal_answer.js';
import { fetchWantedJwks, refreshJwks } from './remote_jwks.js';
import { report } from './report.js';
import { token } from './token_route.js';

export default {
  judge,
  recordRefusal,
  sendRefusal,
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
