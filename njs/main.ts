// What nginx may call: each name here stands in a directive of nginx/snippets.

import { access } from './access.js';
import { denied, failed, refuse, verify } from './auth_request.js';
import { ready } from './health.js';
import { jwks } from './jwks_route.js';
import { refresh } from './refresh.js';
import { fetchWantedJwks, refreshJwks } from './remote_jwks.js';
import { report } from './report.js';
import { token } from './token_route.js';

export default {
  access,
  verify,
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
