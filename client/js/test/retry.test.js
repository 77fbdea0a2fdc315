/** How a stream continues after a lost connection. */
import assert from "node:assert/strict";
import test from "node:test";

import { RETRY_POLICY, retryPolicy } from "../src/retry.js";

/** What a function returns, and the warnings that it gave. */
function warned(run) {
  const said = [];
  const { warn } = console;
  console.warn = (text) => said.push(text);
  try {
    return [run(), said];
  } finally {
    console.warn = warn;
  }
}

test("what is not given is the default, and null is no policy", () => {
  assert.deepEqual(retryPolicy({}), { ...RETRY_POLICY });
  assert.deepEqual(retryPolicy({ retry: { maxBackoffMs: 7 } }), { ...RETRY_POLICY, maxBackoffMs: 7 });
  assert.equal(retryPolicy({ retry: null }), null);
});

test("a policy out of range is rejected", () => {
  assert.throws(() => retryPolicy({ retry: { whenFull: "stop" } }), /whenFull: expected 'wait', 'drop' or 'raise', got 'stop'/);
});

test("the names of the release before work, with a warning that says the new one", () => {
  const old = { firstMs: 1, capMs: 2, giveUpMs: null };
  const [policy, said] = warned(() => retryPolicy({ resume: old }));
  const changes = { initialBackoffMs: 1, maxBackoffMs: 2, retryTimeoutMs: null };
  assert.deepEqual(policy, { ...RETRY_POLICY, ...changes });
  assert.equal(said.length, 4);
  assert.match(said[0], /resume is now retry/);
  assert.match(said[1], /firstMs is now initialBackoffMs/);
  assert.deepEqual(warned(() => retryPolicy({ resume: null }))[0], null);
});

test("where both names are given, the new one wins", () => {
  assert.equal(warned(() => retryPolicy({ resume: {}, retry: null }))[0], null);
  const retry = { maxBackoffMs: 7, capMs: 8 };
  assert.deepEqual(warned(() => retryPolicy({ resume: null, retry }))[0], { ...RETRY_POLICY, maxBackoffMs: 7 });
});
