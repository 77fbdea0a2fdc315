/**
 * Plays a source into a stream at a pace and takes note of what happened to each sample.
 *
 * The stream is the browser client's (client/js, served under page/client): it leaves out what will not be read, comes
 * back when its connection breaks, and hands out each update once. Where even the stream is lost, because its server died
 * without a durable store, another one is started and given the same samples, faster than they came.
 */

import { StreamLost } from "./client/errors.js";
import { stream, streamFrom } from "./client/stream.js";
import { frameBytes } from "./savings.js";

/** What happened to a sample. */
export const UNKNOWN = 0;
export const LEFT_OUT = 1; // skipped, and never sent
export const SKIPPED = 2; // sent, and skipped by the server
export const READ = 3;

const MOST_ROWS = 1024; // in a message; the server takes 4096
const UNPACED_ROWS = 64; // likewise, where nothing says how many there are by now
const LATENCIES = 256; // the latest, for the median
const RETRY = { initialBackoffMs: 250, maxBackoffMs: 2000, retryTimeoutMs: null }; // for as long as the visitor stays
const ENDED = 1000; // close code

/** Time in samples: sample t happens at t / rate seconds. At an infinite rate everything has happened already. */
class Clock {
  #since = Infinity;
  #base = 0;

  constructor(rate) {
    this.rate = rate;
  }

  start() {
    this.#since = performance.now();
  }

  position() {
    if (!Number.isFinite(this.rate)) return Infinity;
    return this.#base + (Math.max(performance.now() - this.#since, 0) / 1000) * this.rate;
  }

  /** Go on at another rate; `position` is where an infinitely fast one has come to. */
  setRate(rate, position) {
    this.#base = Number.isFinite(this.rate) ? this.position() : position;
    this.start();
    this.rate = rate;
  }
}

export class Player {
  #marks = [];
  #known = 0; // the fate of samples before this index is
  #stopped = false;
  #wakeUp = null;
  #abort = new AbortController();
  #latencies = [];
  #onTheirWay = []; // {t, at}: messages by their first sample, and when they were sent
  #lostAt = null; // when the connection broke; null: it has not
  #attempts = 0;
  #end = null; // where it stopped

  /**
   * @param {object} source rows(n) → the first n samples at least, length (may be Infinity)
   * @param {{url: URL, apiKey: ?string, rate: number, honourWake: boolean, heard: function}} options rate in samples a
   *   second; heard(state) is told {kind: "lost", attempt}, {kind: "back", resumed, ms} and {kind: "leaving"}
   */
  constructor(source, { url, apiKey, rate, honourWake, heard }) {
    this.source = source;
    this.honourWake = honourWake;
    this.updates = []; // {t, y}
    this.events = []; // {t, label, score}: alarms
    this.sent = 0;
    this.messages = 0;
    this.bytes = 0; // of their frames
    this.ready = null; // what the server said first
    this.error = null;
    this.running = false;
    this.clock = new Clock(rate);
    this.url = url;
    this.heard = heard;
    const WebSocket = watched((event) => this.#connection(event));
    this.options = { apiKey, WebSocket, retry: RETRY, signal: this.#abort.signal, onReady: (ready) => this.#onReady(ready) };
  }

  /** Samples that have happened. */
  get head() {
    if (this.#end !== null) return this.#end;
    const position = this.clock.position();
    return Math.min(position === Infinity ? this.#known : Math.floor(position) + 1, this.source.length);
  }

  /** Those of them whose fate is known: what the counts are about. */
  get samples() {
    return Math.min(this.head, this.#known);
  }

  /** Where the network will look next, as far as is known. */
  get wake() {
    return this.#known;
  }

  /** Median and 99th percentile of the latest round trips, in ms; null before the first. */
  get latency() {
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const at = (share) => sorted[Math.min(Math.floor(share * sorted.length), sorted.length - 1)];
    return sorted.length ? { median: at(0.5), p99: at(0.99) } : null;
  }

  mark(t) {
    return this.#marks[t] ?? UNKNOWN;
  }

  setSpeed(rate) {
    this.clock.setRate(rate, this.#known);
    this.#wakeUp?.();
  }

  /** Play to the end of the source, or until `stop`. Resolves when the stream has ended; `error` says if badly. */
  async play() {
    try {
      while (!(await this.#playOnce()));
    } catch (error) {
      if (!this.#stopped) this.error = error;
    } finally {
      this.#end = this.samples;
      this.running = false;
    }
  }

  stop() {
    this.#stopped = true;
    this.#wakeUp?.();
    if (this.#lostAt !== null) this.#abort.abort(); // the server has gone
  }

  /** One stream from its first sample on; false: it was lost, and another one can take its place. */
  async #playOnce() {
    this.#onTheirWay = [];
    const updates = this.honourWake
      ? streamFrom(this.url, (t) => this.#read(t), this.options)
      : stream(this.url, this.#blocks(), { ...this.options, wake: false, window: 1 });
    try {
      for await (const update of updates) this.#update(update);
      return true;
    } catch (error) {
      if (error instanceof StreamLost) return false;
      throw error;
    }
  }

  /** Sample t, which the network will read, once it has happened; null: there is none. */
  async #read(t) {
    this.#pass(t, LEFT_OUT);
    if (!(await this.#until(t))) return null;
    this.#send(1, t);
    return this.source.rows(t + 1)[t];
  }

  /** Everything as it happens. A block is answered when the one after it has been taken. */
  async *#blocks() {
    for (let t = 0, end = 0; await this.#until(t); t = end) {
      const there = Number.isFinite(this.clock.rate) ? this.head : Math.min(t + UNPACED_ROWS, this.source.length);
      end = Math.min(Math.max(there, t + 1), t + MOST_ROWS);
      this.#send(end - t, t);
      yield this.source.rows(end).slice(t, end);
      this.#pass(t, SKIPPED);
    }
    this.#pass(this.sent, SKIPPED);
  }

  /** Wait until sample t happens; false: there is none, and the last one has passed. */
  async #until(t) {
    const last = Math.min(t, this.source.length - 1);
    while (!this.#stopped) {
      const waitMs = ((last - this.clock.position()) / this.clock.rate) * 1000;
      if (!(waitMs > 0)) return t < this.source.length;
      await new Promise((resolve) => {
        this.#wakeUp = resolve;
        setTimeout(resolve, Math.min(waitMs, 1000));
      });
    }
    return false;
  }

  /** Of n samples from t on, those that are sent again, to a stream that takes the place of another, do not count. */
  #send(n, t) {
    this.#onTheirWay.push({ t, at: performance.now() });
    if (t < this.#known && this.updates.length && t <= this.updates.at(-1).t) return;
    this.sent += n;
    this.messages++;
    this.bytes += frameBytes(n, this.source.rows(t + n)[t].length);
  }

  #pass(until, mark) {
    for (; this.#known < Math.min(until, this.source.length); this.#known++) this.#marks[this.#known] ??= mark;
  }

  #update({ t, y, event }) {
    if (t <= (this.updates.at(-1)?.t ?? -1)) return; // known from the stream that was lost
    this.updates.push({ t, y: Array.from(y) });
    if (event) this.events.push({ t, ...event });
    this.#marks[t] = READ;
    this.#heardOf(t);
  }

  /** The message with sample t is answered: how long did that take? */
  #heardOf(t) {
    const messages = this.#onTheirWay;
    while (messages.length > 1 && messages[1].t <= t) messages.shift();
    this.#latencies.push(performance.now() - messages[0].at);
    if (this.#latencies.length > LATENCIES) this.#latencies.shift();
  }

  #onReady(ready) {
    if (this.#lostAt !== null) this.heard({ kind: "back", resumed: ready.resumed, ms: performance.now() - this.#lostAt });
    if (!this.running) this.clock.start();
    this.running = true;
    this.ready = ready;
    this.#lostAt = null;
    this.#attempts = 0;
  }

  #connection({ kind }) {
    if (kind === "lost" && this.running && !this.#abort.signal.aborted) {
      this.#lostAt ??= performance.now();
      this.heard({ kind, attempt: ++this.#attempts });
      if (this.#stopped) this.#abort.abort();
    } else if (kind === "leaving") this.heard({ kind });
  }
}

/** A WebSocket that tells what becomes of it. */
function watched(tell) {
  return class extends WebSocket {
    constructor(...args) {
      super(...args);
      this.addEventListener("close", ({ code }) => code !== ENDED && tell({ kind: "lost" }));
      this.addEventListener("message", ({ data }) => {
        if (typeof data === "string" && JSON.parse(data).type === "go_away") tell({ kind: "leaving" });
      });
    }
  };
}
