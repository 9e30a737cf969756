// Which clients share a limit: the clients of an IPv4 address, or of an IPv6 /64 (RFC 6177 section 2).

/**
 * @param address an IPv4 or IPv6 address as text, or anything else (a Unix socket)
 * @returns the address itself; of an IPv6 address, its /64 or the IPv4 address that is mapped into it
 */
export function clientNetwork(address: string): string {
  if (address.indexOf(':') < 0 || /^unix:/.test(address)) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped !== null) return mapped[1] as string;
  const halves = address.split('::');
  const head = groups(halves[0] as string);
  const tail = halves.length > 1 ? groups(halves[1] as string) : [];
  const zeros = Math.max(0, 8 - head.length - tail.length);
  const all = halves.length > 1 ? head.concat(new Array(zeros).fill('0'), tail) : head;
  return all.slice(0, 4).map(withoutLeadingZeros).join(':') + '::/64';
}

function groups(text: string): string[] {
  return text === '' ? [] : text.split(':');
}

function withoutLeadingZeros(group: string): string {
  return group.replace(/^0+(?=.)/, '').toLowerCase();
}
