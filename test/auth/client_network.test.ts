// A client with many addresses of one network.

import { expect, it } from 'vitest';
import { clientNetwork } from '../../auth/client_network.js';

it.each([
  ['192.0.2.1', '192.0.2.1'],
  ['unix:', 'unix:'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:DB8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::', 'fe80:0:0:0::/64'],
])('counts %s as %s', (address, network) => {
  expect(clientNetwork(address)).toBe(network);
});
