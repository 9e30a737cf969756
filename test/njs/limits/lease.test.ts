// Clients of a node whose sidecar or store answers late, or not at all: as long as the others may have all of a limit,
// this node has no share of it.

import { describe, expect, it } from 'vitest';
import { makeNode, type NodeOptions } from '../../../bench/simulated_node.js';

const limit = { intervalMs: 3600000, burst: 9 };
const nodes = 5; // a share is 2 requests
const granted = { granted: 1, pendingMs: 0, nodes };
const late = { late: true, nodes };
const away = { away: true, nodes };
const noTime = 504; // of nginx, after 200 ms
const noSidecar = 502;

async function makeAsked() {
  let nowMs = 1800000000000;
  let asked = 0;
  let answer: Awaited<ReturnType<NodeOptions['ask']>> = granted;
  const node = await makeNode({
    now: () => nowMs,
    ask: () => {
      asked++;
      return Promise.resolve(answer);
    },
  });
  const charge = async () => node.charge('alice', limit);
  await charge(); // the node learns how many there are
  return {
    asked: () => asked,
    /** How many of some requests pass where the question is answered so. */
    pass: async (count: number, next: typeof answer) => {
      answer = next;
      let passed = 0;
      for (let i = 0; i < count; i++) if (await charge()) passed++;
      return passed;
    },
    wait: (ms: number) => {
      for (let i = 0; i < ms; i += 100) {
        nowMs += 100;
        node.tick();
      }
    },
  };
}

describe('a node whose question is not answered', () => {
  it('has its share where the sidecar says that the store is away, or is gone itself', async () => {
    for (const answer of [away, noSidecar]) expect(await (await makeAsked()).pass(5, answer)).toBe(1);
  });

  it('has no share where the store is late, and asks again for each request', async () => {
    const node = await makeAsked();
    expect(await node.pass(5, late)).toBe(0);
    node.wait(3000);
    expect(await node.pass(5, late)).toBe(0);
    expect(node.asked()).toBe(11);
    expect(await node.pass(5, granted)).toBe(5);
  });

  it('has no share where the sidecar is late, but for one that has been for a second', async () => {
    const node = await makeAsked();
    expect(await node.pass(3, noTime)).toBe(0);
    node.wait(900);
    expect(await node.pass(3, noTime)).toBe(0);
    node.wait(200);
    expect(await node.pass(5, noTime)).toBe(1);
  });

  it('counts that second anew after each answer, and after some seconds without a question', async () => {
    const node = await makeAsked();
    expect(await node.pass(1, noTime)).toBe(0);
    node.wait(900);
    expect(await node.pass(1, late)).toBe(0);
    node.wait(200);
    expect(await node.pass(1, noTime)).toBe(0);
    node.wait(4000);
    expect(await node.pass(1, noTime)).toBe(0);
  });
});
