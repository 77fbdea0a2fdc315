/** Which address is tried next, and when. */
import assert from "node:assert/strict";
import test from "node:test";

import { ConnectionFailed, StreamClosed } from "../src/errors.js";
import { Reconnect } from "../src/reconnect.js";
import { RETRY_POLICY } from "../src/retry.js";

test("waits double up to their cap, are jittered, and end", () => {
  let now = 0;
  const retry = { ...RETRY_POLICY, initialBackoffMs: 250, maxBackoffMs: 1000, retryTimeoutMs: 10_000 };
  const reconnect = new Reconnect(["a", "b"], retry, { clock: () => now, random: () => 1 });
  reconnect.opened();
  const waits = Array.from({ length: 6 }, () => [reconnect.failed(new ConnectionFailed("x")), reconnect.url]);
  assert.deepEqual(waits, [[0, "b"], [250, "a"], [0, "b"], [500, "a"], [0, "b"], [1000, "a"]]);
  now = 9_500;
  reconnect.failed(new ConnectionFailed("x"));
  assert.throws(() => reconnect.failed(new ConnectionFailed("x")), ConnectionFailed);
  reconnect.answered();
  assert.equal(reconnect.lost(new StreamClosed(1006)), 250);
  assert.equal(reconnect.url, "a");
  reconnect.lost(new StreamClosed(1012));
  assert.equal(reconnect.url, "b");
});

test("nobody anywhere at the first try is a wrong address", () => {
  const reconnect = new Reconnect("a", RETRY_POLICY);
  assert.throws(() => reconnect.failed(new ConnectionFailed("x")), ConnectionFailed);
});

test("attempts are counted from the last answer on", () => {
  const reconnect = new Reconnect(["a", "b"], RETRY_POLICY);
  reconnect.opened();
  reconnect.lost(new StreamClosed(1006));
  reconnect.failed(new ConnectionFailed("x"));
  reconnect.failed(new ConnectionFailed("x"));
  assert.equal(reconnect.attempts, 3);
  reconnect.answered();
  assert.equal(reconnect.attempts, 0);
});
