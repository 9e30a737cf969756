// What nginx may call: each name here stands in a directive of nginx/snippets.

import { access } from './access.js';
import { verify } from './auth_request.js';
import { loadCold } from './load_cold.js';

const denied = (r: NginxHTTPRequest) => loadCold().denied(r);
const failed = (r: NginxHTTPRequest) => loadCold().failed(r);
const refuse = (r: NginxHTTPRequest) => loadCold().refuse(r);
const token = (r: NginxHTTPRequest) => loadCold().token(r);
const jwks = (r: NginxHTTPRequest) => loadCold().jwks(r);
const ready = (r: NginxHTTPRequest) => loadCold().ready(r);
const refresh = (session: NginxPeriodicSession) => loadCold().refresh(session);
const refreshJwks = (session: NginxPeriodicSession) => loadCold().refreshJwks(session);
const fetchWantedJwks = (session: NginxPeriodicSession) => loadCold().fetchWantedJwks(session);
const report = (session: NginxPeriodicSession) => loadCold().report(session);

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
