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
