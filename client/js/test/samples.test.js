/** What a caller gives, and what is rejected before it is sent. */
import assert from "node:assert/strict";
import test from "node:test";

import { decodeReady } from "../src/messages.js";
import { Blocks, MISSED, NEW_SEQUENCE, asSamples, checkFinite } from "../src/samples.js";

const READY = { type: "ready", stream_id: "s", model: "m", version: "1", features: 2, outputs: 2, classes: ["a", "b"] };
const ready = decodeReady(JSON.stringify(READY));

test("samples may be one, several in a row, or a list", () => {
  for (const x of [[1, 2, 3, 4], Float64Array.of(1, 2, 3, 4), [[1, 2], [3, 4]], [Float32Array.of(1, 2), [3, 4]]]) {
    assert.deepEqual(asSamples(x, 2, 0), Float32Array.of(1, 2, 3, 4));
  }
});

test("samples that cannot be sent are named by their index", () => {
  for (const x of [[1, 2, 3], [[1, 2], [3]], [], null, 7]) {
    assert.throws(() => asSamples(x, 2, 9), { name: "SampleError", message: /sample 9: expected 2 numbers/ });
  }
  assert.throws(() => checkFinite(Float32Array.of(1, 2, 3, NaN), 2, 9), /sample 10: expected finite .* \[3,NaN\]/);
});

test("a source is cut into messages, and begins anew with a new sequence", () => {
  const blocks = new Blocks(ready, { chunk: 3, t: 0 });
  const sizes = [[1, 1], [2, 2, 3, 3, 4, 4], [5, 5], NEW_SEQUENCE, [6, 6]].flatMap((x) =>
    blocks.push(x).map((block) => (block === NEW_SEQUENCE ? "new" : block.length / 2)),
  );
  assert.deepEqual([...sizes, blocks.rest().length], [3, 2, "new", 1]);
});

test("a missed sample completes the message before it, and counts", () => {
  for (const mark of [MISSED, null]) {
    const blocks = new Blocks(ready, { chunk: 2, t: 7 });
    assert.deepEqual(blocks.push([1, 2]), []);
    assert.deepEqual(blocks.push(mark), [Float32Array.of(1, 2), MISSED]);
    assert.throws(() => blocks.push([1]), /sample 9/);
  }
});
