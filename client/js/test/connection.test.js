/** One connection, over a websocket that says what the test says. */
import assert from "node:assert/strict";
import test from "node:test";

import { connect } from "../src/connection.js";
import { ProtocolError } from "../src/errors.js";

const READY = { type: "ready", stream_id: "s", model: "m", version: "1", features: 2, outputs: 1, classes: [] };
const ENDED = { samples: 9, updates: 2 };
const REPLY = { t: 0, wake: 1, updates: [] };

/** A class that answers each message by the next list of messages, and takes note of its protocols. */
function answering(...answers) {
  return class {
    static protocols = [];
    readyState = 1;

    constructor(_, protocols) {
      this.constructor.protocols.push(...protocols);
      queueMicrotask(() => this.say(READY));
    }

    say(fields) {
      this.onmessage({ data: JSON.stringify(fields) });
    }

    send() {
      for (const fields of answers.shift() ?? []) this.say(fields);
    }

    close() {
      this.readyState = 3;
    }
  };
}

const open = (...answers) => connect("ws://host/x", { WebSocket: answering(...answers) });

test("binary is the encoding where nothing is said", async () => {
  const WebSocket = answering();
  await connect("ws://host/x", { WebSocket });
  assert.deepEqual(WebSocket.protocols, ["skiprnn.f32"]);
});

test("the end is one, whether the server says ended, closed or both", async () => {
  for (const types of [["ended"], ["closed"], ["ended", "closed"]]) {
    const connection = await open(types.map((type) => ({ type, ...ENDED })), [REPLY]);
    assert.deepEqual(await connection.end(), ENDED);
    assert.equal((await connection.send([1, 2])).t, 0); // no answer is left over
  }
});

test("another kind of answer is a protocol error", async () => {
  const connection = await open([{ type: "ended", ...ENDED }]);
  await assert.rejects(connection.send([1, 2]), { name: "ProtocolError", message: "expected 'reply', got 'ended'" });
  await assert.rejects((await open([REPLY])).end(), ProtocolError);
});

test("missed samples are told, and move the position", async () => {
  const WebSocket = answering([{ ...REPLY, t: 4, wake: 5 }], [{ ...REPLY, t: 5, wake: 6 }]);
  const told = [];
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (message) {
    told.push(message);
    send.call(this, message);
  };
  const connection = await connect("ws://host/x", { WebSocket });
  assert.deepEqual(await connection.missed(3, { t: 2 }), { t: 4, wake: 5, saved: 0, updates: [] });
  await connection.missed();
  assert.deepEqual([connection.next, connection.wake], [6, 6]);
  assert.deepEqual(told, ['{"t":2,"missed":3}', '{"t":5,"missed":1}']);
  await assert.rejects(connection.missed(0), { name: "SampleError", message: /expected at least 1 missed sample, got 0/ });
});

test("a server that does not know missed samples is named", async () => {
  const error = { type: "error", code: "message", message: "expected x", fatal: false, next: 0 };
  const connection = await open([error]);
  const message = /this server does not take missed samples; it is older than 0.2: .* \(it says: expected x\)/;
  await assert.rejects(connection.missed(2), { name: "ServerError", message });
  assert.equal(connection.next, 0);
});
