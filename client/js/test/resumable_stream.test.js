/** The core against a model server that loses connections, replies and unsaved progress at random. */
import assert from "node:assert/strict";
import test from "node:test";

import { BufferFullError, StreamClosed, StreamLost } from "../src/errors.js";
import { ResumableStream } from "../src/resumable_stream.js";
import { RETRY_POLICY } from "../src/retry.js";
import { MISSED, Missed } from "../src/samples.js";
import { FEATURES, ModelServer, generator, uninterrupted } from "./model.js";

const RESET = Symbol("reset");

class Client {
  told = [];

  constructor(core, server, items) {
    Object.assign(this, { core, server, items: [...items] });
    this.connect();
  }

  connect() {
    this.hear(this.core.connected(this.server.connect()));
    this.send();
  }

  send() {
    this.server.coming.push(...this.core.outgoing());
  }

  hear(updates) {
    this.told.push(...updates.map(({ sequence, t, y }) => [sequence, t, y[0]]));
  }

  put() {
    const { core } = this;
    const [item] = this.items;
    if (item === RESET ? !core.idle : !item || !core.canSend) return;
    this.items.shift();
    if (item === RESET) core.reset();
    else core.put(item instanceof Missed ? item : Float32Array.from(item.flat()));
    this.send();
  }

  process() {
    this.server.process();
  }

  receive() {
    if (!this.server.going.length) return;
    this.hear(this.core.received(this.server.going.shift()));
    this.send();
  }

  save() {
    this.server.save();
  }

  lose() {
    if (this.core.over) return;
    this.core.lost(new StreamClosed(1006));
    this.connect();
  }

  kill() {
    this.server.die();
    this.lose();
  }

  finish() {
    let ending = false;
    for (let i = 0; i < 100_000 && !this.core.over; i++) {
      for (const step of ["put", "process", "receive", "save"]) this[step]();
      if (!this.items.length && this.core.idle && !ending) {
        ending = true;
        this.core.end();
        this.send();
      }
    }
    assert(this.core.over, "it does not come to an end");
  }
}

const STEPS = ["put", "put", "put", "process", "process", "receive", "receive", "save", "lose", "kill"];

/** Samples that there are, and those that were missed (null). */
function toldApart(rows) {
  const runs = [];
  for (const row of rows) {
    const last = runs.at(-1);
    if (last && (last[0] === null) === (row === null)) last.push(row);
    else runs.push([row]);
  }
  return runs.map((run) => (run[0] === null ? new Missed(run.length) : run));
}

/** A random run: what is streamed, how it is cut, what happens. */
function play(seed, { durable, steps = STEPS }) {
  const random = generator(seed);
  const gone = [0, 20, 70][random(3)]; // percent of the samples
  const row = () => (random(100) < gone ? null : Array.from({ length: FEATURES }, () => random(1000) / 8));
  const sequences = Array.from({ length: 1 + random(3) }, () => Array.from({ length: random(40) }, row));
  const items = sequences.flatMap((rows, i) => {
    const blocks = i ? [RESET] : [];
    for (let at = 0, size; at < rows.length; at += size) {
      size = 1 + random(9);
      blocks.push(...toldApart(rows.slice(at, at + size)));
    }
    return blocks;
  });
  const core = new ResumableStream({
    encoding: "json",
    window: 1 + random(6),
    wake: random(2) === 0,
    retry: { ...RETRY_POLICY, maxSamples: 1 + random(50) },
  });
  const client = new Client(core, new ModelServer(durable), items);
  const expected = uninterrupted(sequences);
  try {
    for (let n = random(120); n > 0; n--) client[steps[random(steps.length)]]();
    client.finish();
  } catch (error) {
    if (!(error instanceof StreamLost)) throw error;
    client.lost = error;
  }
  return { client, expected };
}

test("with a durable store every update comes once, whatever dies", () => {
  for (let seed = 0; seed < 1500; seed++) {
    const { client, expected } = play(seed, { durable: true });
    assert.equal(client.lost, undefined, `seed ${seed}`);
    assert.deepEqual(client.told, expected, `seed ${seed}`);
  }
});

test("without a durable store every update comes once, whatever socket breaks", () => {
  const steps = STEPS.filter((step) => step !== "kill");
  for (let seed = 0; seed < 1000; seed++) {
    const { client, expected } = play(seed, { durable: false, steps });
    assert.deepEqual(client.told, expected, `seed ${seed}`);
  }
});

test("a server that dies without a store loses the stream, or nothing", () => {
  let lost = 0;
  for (let seed = 0; seed < 1000; seed++) {
    const { client, expected } = play(seed, { durable: false });
    assert.deepEqual(client.told, client.lost ? expected.slice(0, client.told.length) : expected, `seed ${seed}`);
    lost += Boolean(client.lost);
  }
  assert(lost > 100 && lost < 900);
});

function started(policy) {
  const core = new ResumableStream({ encoding: "json", window: 1, wake: false, retry: { ...RETRY_POLICY, ...policy } });
  const items = Array.from({ length: 60 }, (_, t) => [Array.from({ length: FEATURES }, () => t)]);
  return new Client(core, new ModelServer(true), items);
}

function go(client) {
  for (let i = 0; i < 60; i++) for (const step of ["put", "process", "receive"]) client[step]();
}

test("when full it waits until something is saved", () => {
  const client = started({ maxSamples: 3 });
  go(client);
  assert.equal(client.told.length, 3);
  assert(!client.core.canSend);
  client.save();
  client.receive();
  assert(client.core.canSend);
});

test("when full it may drop, and then says from where the stream is lost", () => {
  const client = started({ maxSamples: 3, whenFull: "drop" });
  go(client);
  assert.equal(client.items.length, 0);
  assert(client.core.bufferedSamples <= 3);
  const [, t] = client.told.at(-client.core.bufferedSamples - 1);
  assert.throws(() => client.kill(), { name: "StreamLost", sequence: 0, t: t + 1 });
});

test("when full it may throw", () => {
  assert.throws(() => go(started({ maxSamples: 3, whenFull: "raise" })), BufferFullError);
});

test("a stream that another client moves is lost", () => {
  const client = started({});
  for (const step of ["put", "process", "receive"]) client[step]();
  client.server.coming.push(JSON.stringify({ t: 1, x: Array.from({ length: 9 }, () => [0, 0]) }));
  client.process();
  assert.throws(() => client.lose(), /another client has sent samples/);
});

test("an answer after a reset does not say that the reset is saved", () => {
  const core = new ResumableStream({ encoding: "json", window: 1, retry: RETRY_POLICY });
  const rows = Array.from({ length: 9 }, (_, t) => [t, t]);
  const client = new Client(core, new ModelServer(true), [rows, RESET, rows]);
  client.save();
  go(client);
  client.kill();
  client.finish();
  assert.deepEqual(client.told, uninterrupted([rows, rows]));
});

test("an end whose answer was lost is an end", () => {
  const client = started({});
  go(client);
  client.core.end();
  client.send();
  client.process();
  client.lose();
  assert(client.core.over);
});

test("missed samples whose answers were lost are replayed in their place", () => {
  const rows = Array.from({ length: 4 }, (_, t) => (t === 1 || t === 2 ? null : [t, t]));
  const core = new ResumableStream({ encoding: "json", window: 9, wake: false, retry: RETRY_POLICY });
  const client = new Client(core, new ModelServer(true), toldApart(rows));
  for (const step of ["put", "put", "put", "process", "process", "process"]) client[step]();
  assert.equal(client.server.going.length, 3);
  client.lose(); // all three answers
  client.kill();
  assert.equal(client.server.coming.filter((message) => message === '{"t":1,"missed":2}').length, 1);
  client.finish();
  assert.deepEqual(client.told, uninterrupted([rows]));
});

test("a server that does not know missed samples is named", () => {
  const core = new ResumableStream({ encoding: "json", window: 1, retry: RETRY_POLICY });
  const client = new Client(core, new ModelServer(false), [MISSED]);
  client.put();
  client.server.going = [JSON.stringify({ type: "error", code: "message", message: "expected x" })];
  assert.throws(() => client.receive(), /this server does not take missed samples/);
});
