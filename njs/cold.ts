// Everything that a known credential does not need; see load_cold.ts.

export { denied, failed, recordRefusal, refuse, sendRefusal } from './refusal_answer.js';
export { ready } from './health.js';
export { judge } from './judge.js';
export { jwks } from './jwks_route.js';
export { refresh } from './refresh.js';
export { fetchWantedJwks, refreshJwks } from './remote_jwks.js';
export { report } from './report.js';
export { token } from './token_route.js';
