// A command that asks a port for /status.json and may meet another program, or another version of Keygate.

import { describe, expect, it } from 'vitest';
import { parseStatus } from '../../monitoring/status.js';
import { degradedStatus, failingStatus, okStatus } from './statuses.js';

const json = (changed: object) => JSON.stringify({ ...okStatus, ...changed });

describe('parseStatus', () => {
  it.each([
    ['ok', okStatus],
    ['degraded', degradedStatus],
    ['failing', failingStatus],
  ])('reads what a gateway writes that is %s', (_, status) => {
    expect(parseStatus(JSON.stringify(status))).toEqual({ status });
  });

  it('reads null where nothing is known, and leaves members of later versions alone', () => {
    const text = json({ connections: null, certificateExpires: null, later: { x: [] } });
    expect(parseStatus(text)).toMatchObject({ status: { connections: null, certificateExpires: null } });
  });

  it.each([
    ['', 'expected a JSON object, but it is not an object'],
    ['<html>', 'expected a JSON object, but it is not an object'],
    ['[]', 'expected a JSON object, but it is not an object'],
    ['['.repeat(40), 'expected a JSON object, but it is nested too deep'],
    ['{}', 'status: expected ok, degraded or failing'],
    [json({ status: 'up' }), 'status: expected ok, degraded or failing'],
    [json({ problems: 'none' }), 'problems: expected a list'],
    [json({ problems: [1] }), 'problems[0]: expected a text'],
    [json({ started: '1' }), 'started: expected a number'],
    [json({ started: 1 }).replace('"started":1', '"started":1e999'), 'started: expected a number'],
    [json({ now: -1 }), 'now: expected a number'],
    [json({ now: 1e300 }), 'now: expected a number'],
    [json({ components: null }), 'components: expected an object'],
    [json({ components: [] }), 'components: expected an object'],
    [json({ rates: [{ time: 1, requests: 1, refused: 1 }] }), 'rates[0].failed: expected a number'],
    [json({ keys: { ...okStatus.keys, used: [{ key: 'a' }] } }), 'keys.used[0].requests: expected a number'],
    [json({ jwks: [{ source: 'a', keys: 1, ageSeconds: 1 }] }), 'jwks[0].faulty: expected true or false'],
    [json({ connections: {} }), 'connections.active: expected a number'],
  ])('says what is wrong with %.40s', (text, fault) => {
    expect(parseStatus(text)).toEqual({ fault });
  });
});
