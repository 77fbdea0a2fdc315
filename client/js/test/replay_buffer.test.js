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

test("missed samples in a row are one entry and a message of their own", () => {
  const samples = buffer([[0, 3]]);
  for (const position of [[0, 4], [0, 6], [0, 9], [1, 0]]) samples.addMissed(position, 2);
  samples.add([1, 2], Float32Array.of(0));
  assert.deepEqual(runs(samples, [0, 0]), [[0, 3, 1], [0, 4, 4], [0, 9, 2], [1, 0, 2], [1, 2, 1]]);
  assert.deepEqual([...samples.since([0, 4], 9)].map(({ x }) => x === null), [true, true, true, false]);
});

test("missed samples stay until the last of them is saved, and are dropped together", () => {
  const samples = buffer([[0, 3]], { maxSamples: 1 });
  samples.addMissed([0, 4], 4);
  samples.discardBefore([0, 6]);
  assert.deepEqual(runs(samples, [0, 6]), [[0, 4, 4]]);
  samples.dropOldest();
  assert.deepEqual([samples.size, samples.floor], [0, [0, 8]]);
});

test("a full buffer drops the oldest", () => {
  for (const limits of [{ maxSamples: 3 }, { maxBytes: 12 }]) {
    const samples = buffer([[0, 3], [0, 4], [0, 7]], limits);
    assert(samples.full);
    samples.dropOldest();
    assert.deepEqual([samples.full, samples.size, samples.floor], [false, 2, [0, 4]]);
  }
});
