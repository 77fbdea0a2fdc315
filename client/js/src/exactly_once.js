/**
 * A stream that outlives its connections, without sockets: what to send, what to keep, which updates are new.
 *
 *     ─────── saved ─────── heard ─────────────── sent ─────── put
 *             │  kept: read │  unanswered: whole  │  waiting
 *             │  samples    │  messages           │  for room
 *
 * When a connection breaks the server may be anywhere from `saved` (it died) to `sent` (only replies were lost). `ready`
 * tells where, and repeats the latest updates. Those that are new are handed out; everything from the server's place on
 * is sent again; updates that were heard before are dropped. The server repeats the updates of its latest message and at
 * least limits.replay_updates of them: so never more than that many samples, or one message, are unanswered.
 *
 * The same as client/skiprnn_client/exactly_once.py, line by line where the languages allow.
 */

import { RESUME } from "./dialer.js";
import { ProtocolError, StreamLost, Unsaved } from "./errors.js";
import { Kept, compare, latest } from "./kept.js";
import { END, RESET, decodeAnswer, encodeSamples } from "./messages.js";
import { checkFinite, mostSamples } from "./samples.js";

const MERGED = 256; // samples of a replayed message, at most
const REPLAYS_IN_FLIGHT = 32; // or both sides might wait for each other to read

export class ExactlyOnce {
  #encoding;
  #window;
  #honourWake;
  #resume;
  #elsewhere;
  #kept;
  #unanswered = []; // all of the present sequence
  #backlog = []; // to be sent on this connection
  #inFlight = []; // sent on this connection
  #delivered = [0, -1];
  #reach = [0, 0]; // the server cannot be further
  #shift = 0; // our number of what the server calls sequence 0
  #lastWords = null;
  #goingAway = false;
  #ending = false;
  #current = null;

  ready = null; // what the first connection said
  sequence = 0;
  next = 0; // index of the sample that `put` takes next
  wake = 0; // index of the next sample that will be read, as far as replies have told
  over = false;

  constructor({ encoding = "f32", window, wake = true, resume, elsewhere = false }) {
    this.#encoding = encoding;
    this.#window = window;
    this.#honourWake = wake;
    this.#resume = resume;
    this.#elsewhere = elsewhere;
    this.#kept = new Kept(resume ?? RESUME);
  }

  // -- what the connection tells

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
        this.#goingAway = this.#elsewhere && this.#resume !== null;
        break;
      case "ended":
        this.over = true;
        break;
      case "error":
        if (!answer.error.fatal) throw answer.error;
        this.#lastWords = answer.error; // the close code tells whether to come back
    }
    return [];
  }

  /** The connection broke. Throws what it broke for if it cannot be resumed. */
  lost(error) {
    const words = this.#lastWords;
    this.#lastWords = null;
    if (!this.#resume || !error.resumable) throw words ?? error;
    this.#backlog = [];
    this.#inFlight = [];
    this.#goingAway = false;
  }

  // -- what the user does

  /** Index of the next sample that is worth fetching. */
  get nextNeeded() {
    return Math.max(this.next, this.wake);
  }

  /** Everything put has been answered. */
  get quiet() {
    return !this.#unanswered.length;
  }

  /** `put` is welcome. */
  get room() {
    const full = this.#kept.full && this.#whenFull === "wait";
    return this.#unanswered.length < this.#window && !full;
  }

  /** Samples kept because the server has not saved them. */
  get keptSamples() {
    return this.#kept.size;
  }

  /** Take samples, a Float32Array [n·F] that nobody else writes to. Those that will not be read are left out. */
  put(x) {
    const { features } = this.ready;
    const n = x.length / features;
    const first = this.next;
    const needless = this.#honourWake ? Math.min(Math.max(this.wake - first, 0), n) : 0;
    this.next += n;
    if (needless === n) return;
    const rest = x.subarray(needless * features);
    checkFinite(rest, features, first + needless);
    this.#makeRoom();
    this.#submit({ sequence: this.sequence, t: first + needless, n: n - needless, x: rest });
  }

  /** Start a new sequence. Only when it is `quiet`. */
  reset() {
    this.sequence += 1;
    this.next = this.wake = 0;
    this.#reach = latest(this.#reach, [this.sequence, 0]);
    this.#backlog.push(RESET);
  }

  /** End the stream. Only when it is `quiet`. */
  end() {
    this.#ending = true;
    this.#backlog.push(END);
  }

  /** Tell the server of samples that were left out at the end, so that it stands where the source does. */
  settle() {
    const place = [this.sequence, this.next];
    if (compare(this.#reach, place) < 0 && this.next <= this.wake) {
      const x = new Float32Array(this.ready.features); // it will not be looked at
      this.#submit({ sequence: this.sequence, t: this.next - 1, n: 1, x });
    }
  }

  /** Nothing more is wanted of it. */
  leave() {
    this.over = true;
  }

  // -- what is to be sent

  /** The server is about to stop, and everything sent has been answered: connect elsewhere. */
  get leaving() {
    return this.#goingAway && !this.#inFlight.length;
  }

  /** What may be sent now, in order; each is taken as sent. */
  *outgoing() {
    while (this.#backlog.length && this.#mayGo(this.#backlog[0])) {
      const item = this.#backlog.shift();
      if (typeof item === "string") yield item;
      else {
        this.#inFlight.push(item);
        yield encodeSamples(item.t, item.x, this.ready.features, this.#encoding);
      }
    }
  }

  #mayGo(item) {
    if (typeof item === "string" || this.#goingAway) return !this.#goingAway;
    const flying = this.#inFlight;
    if (!flying.length) return true;
    const fresh = flying.reduce((sum, message) => sum + (message.replayed ? 0 : message.n), 0);
    if (item.replayed || !fresh) return flying.length < REPLAYS_IN_FLIGHT;
    return !this.#resume || fresh + item.n <= (this.#current.limits.replay_updates ?? 0);
  }

  // -- inside

  get #whenFull() {
    return this.#resume?.whenFull ?? "drop";
  }

  get #durable() {
    return Boolean(this.#current.limits.durable);
  }

  #begin(ready) {
    this.ready = ready;
    ({ sequence: this.sequence, next: this.next, wake: this.wake } = ready);
    this.#reach = this.#kept.floor = [ready.sequence, ready.next];
    this.#delivered = [ready.sequence, ready.next - 1];
  }

  /** `closed` was lost, or `end`. Everything has been handed out: nothing is replayed. */
  #endAgain(ready) {
    if (ready.resumed) this.#backlog.push(END);
    else this.over = true;
  }

  #resumed(ready) {
    const place = this.#place(ready);
    const updates = this.#take(place[0], ready.resumed ? ready.updates : []);
    while (this.#unanswered.length && compare([this.sequence, end(this.#unanswered[0])], place) <= 0) {
      this.#unanswered.shift();
    }
    if (place[0] === this.sequence) this.wake = Math.max(this.wake, ready.wake);
    this.#letGo(place[0], ready);
    this.#backlog = [...this.#plan(place)];
    return updates;
  }

  /** Where the server stands, in our count. Throws StreamLost: that is no place to go on from. */
  #place(ready) {
    const { floor } = this.#kept;
    if (!ready.resumed) {
      if (compare(floor, [this.sequence, 0]) > 0) {
        throw new StreamLost("the server does not know the stream any more", floor);
      }
      this.#checkSameModel(ready);
      this.#shift = this.sequence;
      return [this.sequence, 0];
    }
    const sequence = ready.sequence + this.#shift;
    if (compare([sequence, ready.wake], floor) < 0) {
      throw new StreamLost(`the server fell back to sample ${ready.next} of sequence ${sequence}`, floor);
    }
    if (compare([sequence, ready.next], this.#reach) > 0) {
      throw new StreamLost("somebody else has sent samples to the stream", this.#reach);
    }
    if (sequence === this.sequence && ready.updates_from > this.wake) {
      throw new StreamLost("the server has forgotten updates whose replies were lost", [sequence, this.wake]);
    }
    return [sequence, ready.next];
  }

  /** A stream that begins again must give the same updates again. */
  #checkSameModel(ready) {
    const [before, now] = [this.ready.version, ready.version];
    if (compare(this.#delivered, [this.sequence, 0]) >= 0 && before !== now) {
      const why = `the stream began with version ${before} of the model, the server has ${now}`;
      throw new StreamLost(why, [this.sequence, 0]);
    }
  }

  /** Everything from a place on, with the resets in between. */
  *#plan(place) {
    let [at] = place;
    const most = Math.min(mostSamples(this.#current, this.#encoding), MERGED);
    for (const message of [...this.#kept.since(place, most), ...this.#unanswered]) {
      for (; at < message.sequence; at++) yield RESET;
      yield message;
    }
    for (; at < this.sequence; at++) yield RESET;
  }

  #answered(reply) {
    const message = this.#inFlight.shift();
    if (!message) throw new ProtocolError(`an answer to nothing: ${JSON.stringify(reply).slice(0, 200)}`);
    const updates = this.#take(message.sequence, reply.updates);
    if (!message.replayed) this.#unanswered.shift();
    if (message.sequence === this.sequence) this.wake = Math.max(this.wake, reply.wake);
    this.#letGo(message.sequence, reply);
    return updates;
  }

  /** Those that are new; the samples that they come from are kept. */
  #take(sequence, updates) {
    const fresh = updates.filter(({ t }) => compare([sequence, t], this.#delivered) > 0);
    if (fresh.length) this.#delivered = [sequence, fresh.at(-1).t];
    if (this.#durable && this.#resume) for (const { t } of fresh) this.#keep(sequence, t);
    return fresh.map((update) => ({ ...update, sequence }));
  }

  #keep(sequence, t) {
    const message = this.#unanswered.find((message) => message.t <= t && t < end(message));
    if (!message) return;
    const { features } = this.ready;
    const at = (t - message.t) * features;
    this.#kept.add([sequence, t], message.x.slice(at, at + features));
  }

  #onSaved({ saved, sequence }) {
    // Without a number: what was said is behind everything that was answered.
    const which = sequence === undefined ? this.#delivered[0] : sequence + this.#shift;
    if (this.#durable) this.#kept.letGo([which, saved]);
  }

  /** Without a durable store the server has either everything that it answered, or nothing. */
  #letGo(sequence, { saved, wake }) {
    if (!this.#durable) this.#kept.letGo([sequence, wake]);
    else if (saved) this.#kept.letGo([sequence, saved]); // 0 may mean that not even the reset before is saved
  }

  #makeRoom() {
    if (!this.#kept.full) return;
    if (this.#whenFull === "raise") throw new Unsaved(`${this.#kept.size} samples wait for the server to save them`);
    if (this.#whenFull === "drop") this.#kept.drop();
  }

  #submit(message) {
    this.#reach = latest(this.#reach, [message.sequence, end(message)]);
    this.#unanswered.push(message);
    this.#backlog.push(message);
  }
}

const end = (message) => message.t + message.n; // index after the last sample
