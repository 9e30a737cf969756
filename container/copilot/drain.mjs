// Loaded before copilot-api: as the first process of a container it would not hear SIGTERM. Requests that run may end.

import { Server } from 'node:http';

const servers = new Set();
const listen = Server.prototype.listen;
Server.prototype.listen = function (...args) {
  servers.add(this);
  return listen.apply(this, args);
};

process.on('SIGTERM', () => {
  const closed = [...servers].map((server) => new Promise((resolve) => server.close(resolve)));
  void Promise.all(closed).then(() => process.exit(0));
  setInterval(() => servers.forEach((server) => server.closeIdleConnections()), 200); // those that were busy
});
