// What nginx may call: each name here stands in a directive of nginx/snippets.

import { encodedAgentId, encodedParentAgentId, encodedPath, encodedSessionId } from './decision/audit.js';
import { access, ask } from './decision/ask.js';
import { refresh } from './keys/refresh.js';
import { fetchWantedJwks, refreshJwks } from './keys/remote_jwks.js';
import { ready } from './routes/health.js';
import { jwks } from './routes/jwks.js';
import { resource } from './routes/resource.js';
import { token } from './routes/token.js';
import { report } from './keys/report.js';

export default {
  access,
  ask,
  token,
  jwks,
  ready,
  resource,
  refresh,
  refreshJwks,
  fetchWantedJwks,
  report,
  encodedPath,
  encodedSessionId,
  encodedAgentId,
  encodedParentAgentId,
};
