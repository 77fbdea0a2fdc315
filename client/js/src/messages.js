/** The messages of docs/reference/protocol.md in both encodings, as pure functions. */

import { ProtocolError, ServerError } from "./errors.js";

const HEAD = 32; // bytes of t, wake, saved, number of updates, flags
const HAS_EVENTS = 1; // bit of the flags: m × i32 follow, −1 or the class of an update's event
const LAST_INDEX = 2n ** 64n - 1n;

export const [RESET, END, KEEPALIVE] = ["reset", "end", "keepalive"].map((type) => JSON.stringify({ type }));

/** Samples [n·F] as one message; `t` is the index of the first. */
export function encodeSamples(t, x, features, encoding) {
  if (encoding === "json") {
    const rows = [];
    for (let at = 0; at < x.length; at += features) rows.push(Array.from(x.subarray(at, at + features)));
    return JSON.stringify({ t, x: rows });
  }
  const message = new Uint8Array(8 + 4 * x.length);
  new DataView(message.buffer).setBigUint64(0, BigInt(t), true);
  new Float32Array(message.buffer, 8).set(x); // every platform that runs this is little-endian
  return message;
}

/** The message that `n` samples from index `t` on were missed. */
export function encodeMissed(t, n) {
  return JSON.stringify({ t, missed: n });
}

/** The first message, with `updates` as Update objects. */
export function decodeReady(data) {
  const ready = object(data);
  if (ready.type === "error") throw serverError(ready);
  if (ready.type !== "ready") throw new ProtocolError(`first message: expected type 'ready', got ${short(data)}`);
  const known = { sequence: 0, next: 0, wake: 0, saved: 0, updates_from: 0, classes: [], targets: [], multi_label: false, events: null, limits: {}, ...ready };
  known.updates = (ready.updates ?? []).map((fields) => jsonUpdate(fields, known, known.sequence));
  return known;
}

/** Any later message: {kind: "reply" | "saved" | "ended" | "going" | "error" | "other", …}. */
export function decodeAnswer(data, ready) {
  if (typeof data !== "string") return binaryReply(data, ready);
  const fields = object(data);
  switch (fields.type) {
    case undefined:
    case "reply":
      return jsonReply(fields, ready, data);
    case "saved":
      return { kind: "saved", saved: fields.saved, sequence: fields.sequence };
    case "ended":
    case "closed": // servers of the release before
      return { kind: "ended", samples: fields.samples, updates: fields.updates };
    case "go_away":
      return { kind: "going", timeLeftMs: fields.time_left_ms };
    case "error":
      return { kind: "error", error: serverError(fields) };
  }
  return { kind: "other" };
}

function jsonReply(fields, ready, data) {
  if (!Array.isArray(fields.updates)) throw new ProtocolError(`reply: expected updates, got ${short(data)}`);
  const updates = fields.updates.map((one) => jsonUpdate(one, ready));
  return { kind: "reply", t: fields.t, wake: fields.wake, saved: fields.saved ?? 0, updates };
}

function jsonUpdate({ t, y, event }, ready, sequence) {
  return update(t, Float32Array.from(y), ready, sequence, event && { label: event.class, score: event.score });
}

function binaryReply(data, ready) {
  const view = new DataView(data);
  const [m, flags] = data.byteLength < HEAD ? [0, 0] : [24, 28].map((at) => view.getUint32(at, true));
  const after = HEAD + m * (8 + 4 * ready.outputs);
  const expected = after + (flags & HAS_EVENTS ? 4 * m : 0);
  if (data.byteLength !== expected) {
    throw new ProtocolError(`reply: expected ${expected} bytes for ${m} updates, got ${data.byteLength}`);
  }
  const [t, wake, saved] = [0, 8, 16].map((at) => view.getBigUint64(at, true));
  const updates = Array.from({ length: m }, (_, i) => {
    const from = HEAD + 8 * m + 4 * ready.outputs * i;
    const y = new Float32Array(data.slice(from, from + 4 * ready.outputs));
    const event = flags & HAS_EVENTS ? eventOf(view.getInt32(after + 4 * i, true), y, ready) : null;
    return update(Number(view.getBigUint64(HEAD + 8 * i, true)), y, ready, 0, event);
  });
  return { kind: "reply", t: t === LAST_INDEX ? -1 : Number(t), wake: Number(wake), saved: Number(saved), updates };
}

function eventOf(index, y, { classes }) {
  if (index < -1 || index >= classes.length) {
    throw new ProtocolError(`reply: expected a class from -1 to ${classes.length - 1}, got ${index}`);
  }
  return index < 0 ? null : { label: classes[index], score: y[index] };
}

function update(t, y, { classes, multi_label: several }, sequence = 0, event = null) {
  const label = classes.length && !several ? classes[y.indexOf(Math.max(...y))] : null;
  return { t, y, label, sequence, event: event ?? null };
}

function serverError({ code = "unknown", message = "", next, fatal }) {
  return new ServerError(code, message, { next, fatal: Boolean(fatal) });
}

function object(data) {
  let value;
  try {
    value = JSON.parse(data);
  } catch {
    value = null;
  }
  if (value === null || typeof value !== "object") {
    throw new ProtocolError(`expected a JSON object, got ${short(data)}`);
  }
  return value;
}

function short(data) {
  const text = typeof data === "string" ? data : `${data.byteLength} bytes`;
  return text.length <= 200 ? text : `${text.slice(0, 200)}… (${text.length} long)`;
}
