/** The messages of docs/reference/protocol.md in both encodings. */
import assert from "node:assert/strict";
import test from "node:test";

import { decodeAnswer, decodeReady, encodeSamples } from "../src/messages.js";

const READY = { type: "ready", stream_id: "s", model: "m", version: "1", features: 2, outputs: 2, classes: ["a", "b"] };
const ready = decodeReady(JSON.stringify(READY));

test("samples are an index and float32, little-endian", () => {
  const bytes = encodeSamples(258, Float32Array.of(1, -2), 2, "f32");
  assert.deepEqual([...bytes], [2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 128, 63, 0, 0, 0, 192]);
  assert.equal(encodeSamples(3, Float32Array.of(1, 2, 3, 4), 2, "json"), '{"t":3,"x":[[1,2],[3,4]]}');
});

test("a reply says the same in both encodings", () => {
  const text = '{"t": 127, "wake": 131, "updates": [{"t": 120, "y": [0.25, 0.75]}], "saved": 100}';
  const view = new DataView(new ArrayBuffer(48));
  [127n, 131n, 100n].forEach((value, i) => view.setBigUint64(8 * i, value, true));
  view.setUint32(24, 1, true);
  view.setBigUint64(32, 120n, true);
  view.setFloat32(40, 0.25, true);
  view.setFloat32(44, 0.75, true);
  const answer = decodeAnswer(text, ready);
  assert.deepEqual(decodeAnswer(view.buffer, ready), answer);
  assert.deepEqual(answer.updates, [{ t: 120, y: Float32Array.of(0.25, 0.75), label: "b", sequence: 0, event: null }]);
});

test("an event says the same in both encodings", () => {
  const updates = '[{"t": 4, "y": [0.25, 0.75], "event": {"class": "b", "score": 0.75}}, {"t": 7, "y": [1, 0]}]';
  const view = new DataView(new ArrayBuffer(72));
  [7n, 8n, 0n].forEach((value, i) => view.setBigUint64(8 * i, value, true));
  [2, 1].forEach((value, i) => view.setUint32(24 + 4 * i, value, true));
  [4n, 7n].forEach((value, i) => view.setBigUint64(32 + 8 * i, value, true));
  [0.25, 0.75, 1, 0].forEach((value, i) => view.setFloat32(48 + 4 * i, value, true));
  [1, -1].forEach((value, i) => view.setInt32(64 + 4 * i, value, true));
  const answer = decodeAnswer(`{"t": 7, "wake": 8, "updates": ${updates}, "saved": 0}`, ready);
  assert.deepEqual(decodeAnswer(view.buffer, ready), answer);
  assert.deepEqual(answer.updates.map(({ event }) => event), [{ label: "b", score: 0.75 }, null]);
  view.setInt32(64, 2, true);
  assert.throws(() => decodeAnswer(view.buffer, ready), /expected a class from -1 to 1, got 2/);
});

test("what no skiprnn server says is named as such", () => {
  assert.throws(() => decodeReady("hello"), /expected a JSON object, got hello/);
  assert.throws(() => decodeReady('{"type": "hi"}'), /expected type 'ready'/);
  assert.throws(() => decodeAnswer(new ArrayBuffer(31), ready), /expected 32 bytes for 0 updates, got 31/);
  assert.throws(() => decodeAnswer('{"t": 1}', ready), /reply: expected updates/);
});

test("a message of an unknown type is passed over", () => {
  assert.deepEqual(decodeAnswer('{"type": "weather"}', ready), { kind: "other" });
});

test("the end is said as ended, and as older servers say it", () => {
  for (const type of ["ended", "closed"]) {
    const answer = decodeAnswer(JSON.stringify({ type, samples: 9, updates: 2 }), ready);
    assert.deepEqual(answer, { kind: "ended", samples: 9, updates: 2 });
  }
});

test("of labels that may hold at once none is the label", () => {
  const several = decodeReady(JSON.stringify({ ...READY, multi_label: true }));
  const answer = decodeAnswer('{"t": 0, "wake": 1, "updates": [{"t": 0, "y": [0.9, 0.8]}], "saved": 0}', several);
  assert.equal(answer.updates[0].label, null);
});
