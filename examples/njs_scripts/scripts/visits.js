// A script of the operator's own: it has nothing to do with Keygate.

function visitor(r) {
  return r.headersIn['X-Visitor'] === undefined ? 'new' : 'known';
}

function count(r) {
  r.return(200, 'visits: ' + ngx.shared.visits.incr('all', 1, 0) + '\n');
}

function stamp(r) {
  r.headersOut['X-Stamp'] = 'stamped';
}

async function join(r) {
  const first = await r.subrequest('/part/one', { body: '' });
  const second = await r.subrequest('/part/two', { body: '' });
  r.return(200, first.responseText + second.responseText);
}

export default { visitor, count, stamp, join };
