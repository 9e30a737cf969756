// The way to everything that a known credential does not need. build/bundle.js puts a module in this one's place that
// runs cold.ts only when it is asked for, with copies of its own of all modules: state is handed over, not imported.

import cold from './cold.js';

/** @returns what stands behind the first look into the cache */
export function loadCold(): typeof cold {
  return cold;
}
