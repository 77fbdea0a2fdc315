/** What a caller gives → what is sent: Float32Array [n·F], in messages of the right size. */

import { SampleError } from "./errors.js";

const JSON_NUMBER_BYTES = 27; // -1.2345678901234567e-38 and a separator
const FRAME_BYTES = 64; // index and brackets

/** What a source yields between samples: another sequence starts here, its first sample has index 0. */
export const NEW_SEQUENCE = Symbol("skiprnn.NEW_SEQUENCE");

/** Samples that the sensor missed, `n` in a row: an update that falls on one waits for the next that is there. */
export class Missed {
  constructor(n) {
    this.n = n;
    Object.freeze(this);
  }
}

/** What a source yields for a sample that the sensor missed. */
export const MISSED = new Missed(1);

/** One sample (F numbers), several in a row (n·F numbers) or a list of samples, as a new Float32Array. */
export function asSamples(x, features, t) {
  const list = Array.isArray(x) && (Array.isArray(x[0]) || ArrayBuffer.isView(x[0]));
  const ragged = list && x.find((row) => row.length !== features);
  const flat = list ? x.flatMap((row) => Array.from(row)) : x;
  if (ragged || typeof flat?.length !== "number" || flat.length % features || !flat.length) {
    const got = ragged ? `a row of ${ragged.length}` : (flat?.length ?? String(x));
    throw new SampleError(`sample ${t}: expected ${features} numbers or a multiple of that, got ${got}`);
  }
  return Float32Array.from(flat);
}

/** Throw a SampleError if a sample holds NaN, infinity or what float32 cannot hold. */
export function checkFinite(samples, features, t) {
  const bad = samples.findIndex((number) => !Number.isFinite(number));
  if (bad >= 0) {
    const row = Math.floor(bad / features);
    const values = Array.from(samples.subarray(row * features, (row + 1) * features));
    throw new SampleError(`sample ${t + row}: expected finite float32 numbers, got [${values}]`);
  }
}

/** Samples that a message may hold: the server limits their number and the message's bytes. */
export function mostSamples({ features, limits }, encoding = "f32") {
  const mostBytes = (limits.max_message_bytes ?? 1_048_576) - FRAME_BYTES;
  const most = Math.floor(mostBytes / (features * (encoding === "f32" ? 4 : JSON_NUMBER_BYTES)));
  return Math.max(Math.min(limits.max_samples ?? 4096, most), 1);
}

/** Cuts what a source yields into messages of `chunk` samples; null: as the source yields them. */
export class Blocks {
  #features;
  #t;
  #chunk;
  #limit;
  #rest = new Float32Array();

  constructor(ready, { encoding, chunk, t }) {
    if (chunk !== null && !(chunk >= 1)) throw new RangeError(`chunk: expected at least 1, got ${chunk}`);
    const most = mostSamples(ready, encoding);
    this.#features = ready.features;
    this.#t = t;
    this.#chunk = chunk;
    this.#limit = Math.min(chunk ?? most, most) * ready.features; // numbers
  }

  /** Samples, NEW_SEQUENCE, or MISSED or null → the messages that are complete. */
  push(x) {
    if (x === null || x instanceof Missed) {
      const missed = x ?? MISSED;
      this.#t += missed.n;
      return [...this.rest(), missed];
    }
    if (x === NEW_SEQUENCE) {
      this.#t = 0;
      return [...this.rest(), x];
    }
    let samples = asSamples(x, this.#features, this.#t);
    this.#t += samples.length / this.#features;
    if (this.#chunk === null) return this.#cut(samples);
    samples = joined(this.#rest, samples);
    const whole = samples.length - (samples.length % this.#limit);
    this.#rest = samples.subarray(whole);
    return this.#cut(samples.subarray(0, whole));
  }

  /** The last message, once the sequence has ended. */
  rest() {
    const rest = this.#cut(this.#rest);
    this.#rest = new Float32Array();
    return rest;
  }

  #cut(samples) {
    const parts = [];
    for (let at = 0; at < samples.length; at += this.#limit) parts.push(samples.subarray(at, at + this.#limit));
    return parts;
  }
}

function joined(a, b) {
  const both = new Float32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}
