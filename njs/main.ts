// What nginx may call: each name here stands in a directive of nginx/snippets.

import { access } from './decision/access.js';
import { verify } from './decision/ask.js';
import { loadCold } from './load_cold.js';

export default {
  access,
  verify,
  /** All else, as `keygate.cold.NAME`: for a function of its own each name would cost the old engine time on every request. */
  get cold() {
    return loadCold();
  },
};
