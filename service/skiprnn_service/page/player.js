/** Plays a source into a stream at a pace, leaving out what will not be read, and takes note of what happened to each sample. */

import { Stream } from "./stream.js";

/** What happened to a sample. */
export const UNKNOWN = 0;
export const LEFT_OUT = 1; // skipped, and never sent
export const SKIPPED = 2; // sent, and skipped by the server
export const READ = 3;

const MOST_ROWS = 1024; // in a message; the server takes 4096
const LATENCIES = 256; // the latest, for the median

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
  #stopped = false;
  #wakeUp = null;
  #latencies = [];
  #end = null; // where it stopped

  /**
   * @param {object} source rows(n) → the first n samples, length (may be Infinity)
   * @param {{url: URL, subprotocols: string[], rate: number, honourWake: boolean, heard: function}} options rate in samples a second;
   *   heard(state) is told when the connection breaks and comes back
   */
  constructor(source, { url, subprotocols, rate, honourWake, heard }) {
    this.source = source;
    this.honourWake = honourWake;
    this.updates = []; // {t, y}
    this.sent = 0;
    this.messages = 0;
    this.error = null;
    this.running = false;
    this.clock = new Clock(rate);
    this.stream = new Stream(url, subprotocols, { update: (update) => this.#update(update), state: heard });
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

  get #known() {
    return Math.min(this.stream.wake, this.source.length);
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
      await this.stream.open();
      this.clock.start();
      this.running = true;
      await this.#pump();
      this.stream.end();
    } catch (error) {
      this.error = error;
      this.stream.leave();
    } finally {
      this.#end = this.samples;
      this.running = false;
    }
  }

  stop() {
    this.#stopped = true;
    this.#wakeUp?.();
  }

  async #pump() {
    for (let next = 0; ; ) {
      const t = this.honourWake ? Math.max(next, this.stream.wake) : next;
      if (!(await this.#until(t))) return;
      const rows = this.#rows(t);
      await this.stream.send(t, rows);
      this.#passed(next, t, rows.length);
      next = t + rows.length;
    }
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

  #rows(t) {
    const end = this.honourWake ? t + 1 : Math.min(Math.max(this.head, t + 1), t + MOST_ROWS);
    return this.source.rows(end).slice(t, end);
  }

  #passed(from, t, n) {
    this.messages++;
    this.sent += n;
    this.#latencies.push(this.stream.roundTripMs);
    if (this.#latencies.length > LATENCIES) this.#latencies.shift();
    for (let i = from; i < Math.max(t + n, this.stream.wake); i++) {
      const sent = i >= t && i < t + n;
      if (this.#marks[i] !== READ) this.#marks[i] = sent ? SKIPPED : LEFT_OUT;
    }
  }

  #update(update) {
    this.updates.push(update);
    this.#marks[update.t] = READ;
  }
}
