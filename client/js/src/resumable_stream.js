/**
 * A stream that continues across connections, without sockets: what to send, what to buffer, which updates are new.
 *
 *     ─────── saved ─────── answered ──────────── sent ─────── put
 *             │  buffered:  │  unanswered: whole  │  waiting
 *             │  updated or │  messages           │  until it
 *             │  missed     │                     │  can send
 *             │  samples    │                     │
 *
 * When a connection is lost the server may be anywhere from `saved` (it was killed) to `sent` (only replies were lost).
 * `ready` gives its position and repeats the latest updates. Those that are new are returned; everything from the
 * server's position on is sent again; updates that were received before are dropped. The server repeats the updates of
 * its latest message and at least limits.replay_updates of them: so never more than that many samples, or one message,
 * are unanswered.
 *
 * The same as client/skiprnn_client/resumable_stream.py, line by line where the languages allow.
 */

import { BufferFullError, ProtocolError, StreamLost, missedRejected } from "./errors.js";
import { END, RESET, decodeAnswer, encodeMissed, encodeSamples } from "./messages.js";
import { ReplayBuffer, compare, latest } from "./replay_buffer.js";
import { RETRY_POLICY } from "./retry.js";
import { Missed, checkFinite, mostSamples } from "./samples.js";

const MERGED = 256; // samples of a replayed message, at most
const REPLAYS_IN_FLIGHT = 32; // or both sides might wait for each other to read

export class ResumableStream {
  #encoding;
  #window;
  #honourWake;
  #retry;
  #elsewhere;
  #buffer;
  #unanswered = []; // all of the current sequence
  #backlog = []; // to be sent on this connection
  #inFlight = []; // sent on this connection
  #delivered = [0, -1];
  #reach = [0, 0]; // the server cannot be further
  #shift = 0; // our number of the server's sequence 0
  #lastError = null;
  #goingAway = false;
  #ending = false;
  #current = null;

  ready = null; // the first connection's
  sequence = 0;
  next = 0; // index of the sample that `put` takes next
  wake = 0; // index of the next update, according to the latest reply
  over = false;

  constructor({ encoding = "f32", window, wake = true, retry, elsewhere = false }) {
    this.#encoding = encoding;
    this.#window = window;
    this.#honourWake = wake;
    this.#retry = retry;
    this.#elsewhere = elsewhere;
    this.#buffer = new ReplayBuffer(retry ?? RETRY_POLICY);
  }

  // -- events of the connection

  /** A connection is open. Returns updates whose replies were lost. Throws StreamLost. */
  connected(ready) {
    const first = this.ready === null;
    this.#current = ready;
    if (first) this.#begin(ready);
    else if (this.#ending) this.#endAgain(ready);
    else return this.#resumed(ready);
    return [];
  }

  /** A message came. Returns updates that are new. Throws ServerError, ProtocolError. */
  received(data) {
    const answer = decodeAnswer(data, this.#current);
    switch (answer.kind) {
      case "reply":
        return this.#answered(answer);
      case "saved":
        this.#onSaved(answer);
        break;
      case "going":
        this.#goingAway = this.#elsewhere && this.#retry !== null;
        break;
      case "ended":
        this.over = true;
        break;
      case "error":
        if (!answer.error.fatal) throw this.#inFlight[0]?.x === null ? missedRejected(answer.error) : answer.error;
        this.#lastError = answer.error; // the close code says whether to reconnect
    }
    return [];
  }

  /** The connection is lost. Throws the cause if the stream cannot be resumed. */
  lost(error) {
    const cause = this.#lastError;
    this.#lastError = null;
    if (!this.#retry || !error.resumable) throw cause ?? error;
    this.#backlog = [];
    this.#inFlight = [];
    this.#goingAway = false;
  }

  // -- calls of the user

  /** Index of the next sample that is needed. */
  get nextNeeded() {
    return Math.max(this.next, this.wake);
  }

  /** Everything put has been answered. */
  get idle() {
    return !this.#unanswered.length;
  }

  /** `put` may be called. */
  get canSend() {
    const full = this.#buffer.full && this.#whenFull === "wait";
    return this.#unanswered.length < this.#window && !full;
  }

  /** Samples in the buffer because the server has not saved them. */
  get bufferedSamples() {
    return this.#buffer.size;
  }

  /**
   * Take samples, a Float32Array [n·F] that nothing else writes to. Those that the network skips are left out; of Missed
   * samples too: where no update falls on them, they count as skipped.
   */
  put(x) {
    const { features } = this.ready;
    const missed = x instanceof Missed;
    const n = missed ? x.n : x.length / features;
    const first = this.next;
    const skipped = this.#honourWake ? Math.min(Math.max(this.wake - first, 0), n) : 0;
    this.next += n;
    if (skipped === n) return;
    const rest = missed ? null : x.subarray(skipped * features);
    if (!missed) checkFinite(rest, features, first + skipped);
    this.#limitBuffer();
    this.#submit({ sequence: this.sequence, t: first + skipped, n: n - skipped, x: rest });
  }

  /** Start a new sequence. Only when it is `idle`. */
  reset() {
    this.sequence += 1;
    this.next = this.wake = 0;
    this.#reach = latest(this.#reach, [this.sequence, 0]);
    this.#backlog.push(RESET);
  }

  /** End the stream. Only when it is `idle`. */
  end() {
    this.#ending = true;
    this.#backlog.push(END);
  }

  /** Tell the server of samples that were left out at the end, so that its position is the source's. */
  flush() {
    const position = [this.sequence, this.next];
    if (compare(this.#reach, position) < 0 && this.next <= this.wake) {
      const x = new Float32Array(this.ready.features); // it will be skipped
      this.#submit({ sequence: this.sequence, t: this.next - 1, n: 1, x });
    }
  }

  /** The caller wants no more updates. */
  abandon() {
    this.over = true;
  }

  // -- what is to be sent

  /** The server is about to stop, and everything sent has been answered: move to another server. */
  get movingAway() {
    return this.#goingAway && !this.#inFlight.length;
  }

  /** What may be sent now, in order; each is taken as sent. */
  *outgoing() {
    while (this.#backlog.length && this.#maySend(this.#backlog[0])) {
      const item = this.#backlog.shift();
      if (typeof item === "string") yield item;
      else {
        this.#inFlight.push(item);
        yield this.#encoded(item);
      }
    }
  }

  #encoded({ t, n, x }) {
    return x === null ? encodeMissed(t, n) : encodeSamples(t, x, this.ready.features, this.#encoding);
  }

  #maySend(item) {
    if (typeof item === "string" || this.#goingAway) return !this.#goingAway;
    const inFlight = this.#inFlight;
    if (!inFlight.length) return true;
    const fresh = inFlight.reduce((sum, message) => sum + (message.replayed ? 0 : message.n), 0);
    if (item.replayed || !fresh) return inFlight.length < REPLAYS_IN_FLIGHT;
    return !this.#retry || fresh + item.n <= (this.#current.limits.replay_updates ?? 0);
  }

  // -- inside

  get #whenFull() {
    return this.#retry?.whenFull ?? "drop";
  }

  get #durable() {
    return Boolean(this.#current.limits.durable);
  }

  #begin(ready) {
    this.ready = ready;
    ({ sequence: this.sequence, next: this.next, wake: this.wake } = ready);
    this.#reach = this.#buffer.floor = [ready.sequence, ready.next];
    this.#delivered = [ready.sequence, ready.next - 1];
  }

  /** `ended` was lost, or `end`. All updates have been returned: nothing is replayed. */
  #endAgain(ready) {
    if (ready.resumed) this.#backlog.push(END);
    else this.over = true;
  }

  #resumed(ready) {
    const position = this.#positionOf(ready);
    const updates = this.#take(position[0], ready.resumed ? ready.updates : []);
    while (this.#unanswered.length && compare([this.sequence, end(this.#unanswered[0])], position) <= 0) {
      this.#store(this.#unanswered.shift(), updates);
    }
    if (position[0] === this.sequence) this.wake = Math.max(this.wake, ready.wake);
    this.#discardBefore(position[0], ready);
    this.#backlog = [...this.#plan(position)];
    return updates;
  }

  /** The server's position, in our count of sequences. Throws StreamLost: no position to resume from. */
  #positionOf(ready) {
    const { floor } = this.#buffer;
    if (!ready.resumed) {
      if (compare(floor, [this.sequence, 0]) > 0) {
        throw new StreamLost("the server no longer has the stream", floor);
      }
      this.#checkSameModel(ready);
      this.#shift = this.sequence;
      return [this.sequence, 0];
    }
    const sequence = ready.sequence + this.#shift;
    if (compare([sequence, ready.wake], floor) < 0) {
      throw new StreamLost(`the server went back to sample ${ready.next} of sequence ${sequence}`, floor);
    }
    if (compare([sequence, ready.next], this.#reach) > 0) {
      throw new StreamLost("another client has sent samples to the stream", this.#reach);
    }
    if (sequence === this.sequence && ready.updates_from > this.wake) {
      throw new StreamLost("the server no longer has updates whose replies were lost", [sequence, this.wake]);
    }
    return [sequence, ready.next];
  }

  /** A stream that starts again must give the same updates again. */
  #checkSameModel(ready) {
    const [before, now] = [this.ready.version, ready.version];
    if (compare(this.#delivered, [this.sequence, 0]) >= 0 && before !== now) {
      const why = `the stream started with version ${before} of the model, the server has ${now}`;
      throw new StreamLost(why, [this.sequence, 0]);
    }
  }

  /** Everything from a position on, with the resets in between. */
  *#plan(position) {
    let [at] = position;
    const most = Math.min(mostSamples(this.#current, this.#encoding), MERGED);
    for (const message of [...this.#buffer.since(position, most), ...this.#unanswered]) {
      for (; at < message.sequence; at++) yield RESET;
      yield message;
    }
    for (; at < this.sequence; at++) yield RESET;
  }

  #answered(reply) {
    const message = this.#inFlight.shift();
    if (!message) throw new ProtocolError(`an answer to nothing: ${JSON.stringify(reply).slice(0, 200)}`);
    const updates = this.#take(message.sequence, reply.updates);
    if (!message.replayed) this.#store(this.#unanswered.shift(), updates);
    if (message.sequence === this.sequence) this.wake = Math.max(this.wake, reply.wake);
    this.#discardBefore(message.sequence, reply);
    return updates;
  }

  /** Those that are new. */
  #take(sequence, updates) {
    const fresh = updates.filter(({ t }) => compare([sequence, t], this.#delivered) > 0);
    if (fresh.length) this.#delivered = [sequence, fresh.at(-1).t];
    return fresh.map((update) => ({ ...update, sequence }));
  }

  /** Buffer what the server has processed of a message: the samples of new updates, or that they were missed. */
  #store(message, updates) {
    if (!this.#durable || !this.#retry) return;
    const { sequence, t: first, n, x } = message;
    if (x === null) return this.#buffer.addMissed([sequence, first], n);
    const { features } = this.ready;
    for (const { t } of updates) {
      if (t < first || t >= end(message)) continue;
      const at = (t - first) * features;
      this.#buffer.add([sequence, t], x.slice(at, at + features));
    }
  }

  #onSaved({ saved, sequence }) {
    // Without a number it refers to the latest update.
    const which = sequence === undefined ? this.#delivered[0] : sequence + this.#shift;
    if (this.#durable) this.#buffer.discardBefore([which, saved]);
  }

  /** Without a durable store the server has everything that it answered, or nothing. */
  #discardBefore(sequence, { saved, wake }) {
    if (!this.#durable) this.#buffer.discardBefore([sequence, wake]);
    else if (saved) this.#buffer.discardBefore([sequence, saved]); // 0 may mean that not even the reset before is saved
  }

  #limitBuffer() {
    if (!this.#buffer.full) return;
    if (this.#whenFull === "raise") throw new BufferFullError(`${this.#buffer.size} samples are not saved by the server yet`);
    if (this.#whenFull === "drop") this.#buffer.dropOldest();
  }

  #submit(message) {
    this.#reach = latest(this.#reach, [message.sequence, end(message)]);
    this.#unanswered.push(message);
    this.#backlog.push(message);
  }
}

const end = (message) => message.t + message.n; // index after the last sample
