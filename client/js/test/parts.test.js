/** Messages, samples, addresses: the parts around the core. */
import assert from "node:assert/strict";
import test from "node:test";

import { Dialer, RESUME } from "../src/dialer.js";
import { StreamClosed, Unreachable } from "../src/errors.js";
import { decodeAnswer, decodeReady, encodeSamples } from "../src/messages.js";
import { Blocks, NEW_SEQUENCE, asSamples, checkFinite } from "../src/samples.js";
import { address } from "../src/socket.js";

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
  assert.deepEqual(answer.updates, [{ t: 120, y: Float32Array.of(0.25, 0.75), label: "b", sequence: 0 }]);
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

test("options join the query of the address", async () => {
  const options = { streamId: "a b", threshold: 0.7, ticket: async () => "T" };
  const url = await address("https://host/v1/models/m/stream?emit=all", options);
  assert.equal(url.href, "wss://host/v1/models/m/stream?emit=all&stream_id=a+b&threshold=0.7&ticket=T");
  await assert.rejects(address("host:80", {}), /url: expected ws:\/\/HOST:PORT/);
});

test("waits double up to their cap, are jittered, and end", () => {
  let now = 0;
  const resume = { ...RESUME, firstMs: 250, capMs: 1000, giveUpMs: 10_000 };
  const dialer = new Dialer(["a", "b"], resume, { clock: () => now, random: () => 1 });
  dialer.opened();
  const waits = Array.from({ length: 6 }, () => [dialer.failed(new Unreachable("x")), dialer.url]);
  assert.deepEqual(waits, [[0, "b"], [250, "a"], [0, "b"], [500, "a"], [0, "b"], [1000, "a"]]);
  now = 9_500;
  dialer.failed(new Unreachable("x"));
  assert.throws(() => dialer.failed(new Unreachable("x")), Unreachable);
  dialer.heard();
  assert.equal(dialer.lost(new StreamClosed(1006)), 250);
  assert.equal(dialer.url, "a");
  dialer.lost(new StreamClosed(1012));
  assert.equal(dialer.url, "b");
});

test("nobody anywhere at the first try is a wrong address", () => {
  const dialer = new Dialer("a", RESUME);
  assert.throws(() => dialer.failed(new Unreachable("x")), Unreachable);
});
