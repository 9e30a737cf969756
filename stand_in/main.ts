// The stand-in upstream as a program: listens on STAND_IN_PORT of loopback, or of STAND_IN_ADDRESS, and ends with its
// launcher.

import { makeStandIn } from './upstream.js';

const port = Number(process.env['STAND_IN_PORT'] ?? 0);
const address = process.env['STAND_IN_ADDRESS'] ?? '127.0.0.1';
const standIn = makeStandIn({ chunkMs: Number(process.env['STAND_IN_CHUNK_MS'] ?? 100) });

standIn.server.listen(port, address, () => {
  const place = standIn.server.address();
  process.send?.({ port: typeof place === 'object' && place !== null ? place.port : port });
});

const end = () => process.exit(0);
process.once('SIGTERM', end);
process.once('SIGINT', end);
process.once('disconnect', end);
