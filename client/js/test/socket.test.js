/** Addresses. */
import assert from "node:assert/strict";
import test from "node:test";

import { address } from "../src/socket.js";

test("options join the query of the address", async () => {
  const options = { streamId: "a b", threshold: 0.7, ticket: async () => "T" };
  const url = await address("https://host/v1/models/m/stream?emit=all", options);
  assert.equal(url.href, "wss://host/v1/models/m/stream?emit=all&stream_id=a+b&threshold=0.7&ticket=T");
  await assert.rejects(address("host:80", {}), /url: expected ws:\/\/HOST:PORT/);
});
