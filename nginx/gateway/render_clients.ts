// What settings about clients become: pages, OAuth clients and clients with certificates.

import { parseResource } from '../../auth/resource_metadata.js';
import type { Settings } from '../../settings/read.js';

/** CORS_ORIGINS. Without a pattern, which would overwrite captures. nginx compares the values without case. */
export function renderPages(origins: string[]): string {
  if (origins.length === 0) return '# CORS_ORIGINS: none\n';
  const lines = origins.map((origin) => `    ${origin} $http_origin;\n`).join('');
  return `map $http_origin $keygate_page_origin {\n${lines}    default none;\n}\n`;
}

/** OAUTH_RESOURCE: a location for each path of its metadata. */
export function renderResource(resource: string | undefined): string {
  if (resource === undefined) return '# OAUTH_RESOURCE: not set\n';
  const paths = parseResource(resource)?.paths ?? [];
  return paths.map((path) => `location = ${path} { include keygate/resource_metadata.conf; }\n`).join('');
}

/** CLIENT_CERTIFICATES. Also a certificate that no authority vouches for may have an entry of its own. */
export function renderClientCertificates({ clientCertificates, clientCa }: Settings): string {
  if (!clientCertificates) return '# CLIENT_CERTIFICATES=off\n';
  const authority = clientCa === undefined ? '' : `ssl_client_certificate ${clientCa};\nssl_verify_depth 5;\n`;
  return `ssl_verify_client optional_no_ca;\n${authority}`;
}
