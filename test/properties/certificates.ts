// Certificates of clients as nginx tells of them, for generated questions: some have entries, others have none.

import { nodePlatform } from '../../node/crypto.js';

const names = ['ada', 'ben', 'cid'];
const derOf = (name: string) => Buffer.from(`certificate of ${name} `.repeat(20));

/** What a token bound to the certificate says. */
export const thumbprints = names.map((name) => nodePlatform.sha256(derOf(name)));

const [ada, ben] = thumbprints as [string, string];
/** Entries, without a key. */
export const certificateLines: [key: string, line: string][] = [
  ['', `ada:$x509$${ada}`],
  ['', `ben:$x509$${ben}`],
  ['', 'others:$x509-subject$CN=cid,O=Example%20Ltd'],
];

function textOf(name: string, verify: string, end: string): string {
  const lines = derOf(name)
    .toString('base64')
    .match(/.{1,64}/g) as string[];
  const pem = ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
  return [verify, end, `CN=${name},O=Example Ltd`, encodeURIComponent(pem)].join('\t');
}

/** What nginx may tell; the second ends in some seconds of the test's clock. */
export function certificateTexts(startMs: number): string[] {
  const late = new Date(startMs + 20000).toUTCString(); // Fri, 15 Jan 2027 08:00:20 GMT
  const [, day = '', month = '', year = '', time = ''] = late.split(' ');
  const soon = `${month} ${day.replace(/^0/, ' ')} ${time} ${year} GMT`;
  const never = 'Dec 31 23:59:59 2099 GMT';
  return [
    textOf('ada', 'SUCCESS', never),
    textOf('ben', 'FAILED:self-signed certificate', soon),
    textOf('cid', 'SUCCESS', never),
    textOf('cid', 'FAILED:self-signed certificate', never),
    textOf('dot', 'SUCCESS', never),
    'SUCCESS\t\t\t',
    '',
  ];
}
