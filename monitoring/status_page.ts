// The page /status. STAND-IN: the branch of the status page has the file.

import type { Status } from './status.js';

/** The Content-Security-Policy of the page. */
export const statusPageCsp = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";

/** Renders the page. */
export function renderStatusPage(status: Status): string {
  return '<!doctype html><html lang="en"><title>Keygate</title><p>' + status.status + '</p></html>\n';
}
