/** Samples that the server may lose, until it has saved them. */
import assert from "node:assert/strict";
import test from "node:test";

import { ReplayBuffer } from "../src/replay_buffer.js";

function buffer(positions, limits) {
  const samples = new ReplayBuffer({ maxSamples: 100, maxBytes: 1000, ...limits });
  for (const position of positions) samples.add(position, Float32Array.of(position[1]));
  return samples;
}

const runs = (samples, position, most = 9) => [...samples.since(position, most)].map(({ sequence, t, n }) => [sequence, t, n]);

test("consecutive samples are sent again in one message", () => {
  const samples = buffer([[0, 3], [0, 4], [0, 7], [1, 8]]);
  assert.deepEqual(runs(samples, [0, 0]), [[0, 3, 2], [0, 7, 1], [1, 8, 1]]);
  assert.deepEqual(runs(samples, [0, 4], 1), [[0, 4, 1], [0, 7, 1], [1, 8, 1]]);
  const [{ x, replayed }] = samples.since([0, 0], 9);
  assert.deepEqual([x, replayed], [Float32Array.of(3, 4), true]);
});

test("saved samples are discarded and the floor never falls", () => {
  const samples = buffer([[0, 3], [0, 4], [1, 0]]);
  samples.discardBefore([0, 4]);
  samples.discardBefore([0, 1]);
  assert.deepEqual([samples.size, samples.floor], [2, [0, 4]]);
});

test("a full buffer drops the oldest", () => {
  for (const limits of [{ maxSamples: 3 }, { maxBytes: 12 }]) {
    const samples = buffer([[0, 3], [0, 4], [0, 7]], limits);
    assert(samples.full);
    samples.dropOldest();
    assert.deepEqual([samples.full, samples.size, samples.floor], [false, 2, [0, 4]]);
  }
});
