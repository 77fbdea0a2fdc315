/** One stream over one websocket. */

import { ClientError, ProtocolError, SampleError, StreamClosed, missedRejected } from "./errors.js";
import { END, KEEPALIVE, RESET, decodeAnswer, encodeMissed, encodeSamples } from "./messages.js";
import { asSamples, checkFinite } from "./samples.js";
import { Socket } from "./socket.js";

/** Open a stream. It is not resumed by itself; `stream` does that. */
export async function connect(url, options = {}) {
  return new Connection(await Socket.open(url, options), options);
}

export class Connection {
  #socket;
  #encoding;
  #questions = []; // {kind, resolve, reject}, in the order of sending
  #over = null;
  #ended = false;
  goingAway = null;

  constructor(socket, options) {
    this.#socket = socket;
    this.#encoding = options.encoding ?? "f32";
    this.ready = socket.ready;
    ({ next: this.next, wake: this.wake, saved: this.saved, sequence: this.sequence } = this.ready);
    this.#read();
  }

  /** Index of the next sample that must be sent: the network skips those before it. */
  get nextNeeded() {
    return Math.max(this.next, this.wake);
  }

  /** Of the next n samples, leave out those that the network skips. Returns how many that are. */
  leaveOut(n) {
    const skipped = Math.min(Math.max(this.wake - this.next, 0), n);
    this.next += skipped;
    return skipped;
  }

  /** Send samples; resolves to the reply. Several may be on their way: they are answered in order. */
  send(x, { t = this.next } = {}) {
    const { features } = this.ready;
    const samples = asSamples(x, features, t);
    checkFinite(samples, features, t);
    this.next = t + samples.length / features;
    return this.#ask("reply", encodeSamples(t, samples, features, this.#encoding));
  }

  /** Tell the server that `n` samples were missed; resolves to the reply, which has no updates. */
  async missed(n = 1, { t = this.next } = {}) {
    if (!(Number.isInteger(n) && n >= 1)) throw new SampleError(`sample ${t}: expected at least 1 missed sample, got ${n}`);
    this.next = t + n;
    try {
      return await this.#ask("reply", encodeMissed(t, n));
    } catch (error) {
      throw missedRejected(error);
    }
  }

  /** Start a new sequence, once everything sent so far is answered. */
  async reset() {
    await Promise.allSettled(this.#questions.map(({ answer }) => answer));
    this.#socket.send(RESET);
    this.next = this.wake = this.saved = 0;
    this.sequence += 1;
  }

  /** Tell the server that the stream is alive while nothing needs sending. */
  keepalive() {
    this.#socket.send(KEEPALIVE);
  }

  /** End the stream: the server deletes it. Resolves to its totals. */
  end() {
    return this.#ask("ended", END);
  }

  /** Close the connection. The server parks a stream that was not ended; its stream id resumes it. */
  close() {
    this.#socket.close();
  }

  #ask(kind, message) {
    if (this.#over) return Promise.reject(this.#over);
    const question = { kind };
    question.answer = new Promise((resolve, reject) => Object.assign(question, { resolve, reject }));
    this.#questions.push(question);
    this.#socket.send(message);
    return question.answer;
  }

  async #read() {
    try {
      for (;;) this.#deliver(decodeAnswer(await this.#socket.receive(), this.ready));
    } catch (error) {
      this.#over = error instanceof ClientError ? error : new StreamClosed(1006, String(error));
      this.#socket.close();
      for (const { reject } of this.#questions.splice(0)) reject(this.#over);
    }
  }

  #deliver(answer) {
    if (answer.kind === "going") this.goingAway = { timeLeftMs: answer.timeLeftMs };
    if (answer.kind === "saved" && (answer.sequence ?? this.sequence) === this.sequence) this.saved = answer.saved;
    if (answer.kind === "error" && answer.error.fatal) throw answer.error;
    if (!["reply", "ended", "error"].includes(answer.kind)) return;
    if (answer.kind === "ended") {
      if (this.#ended) return; // servers say `ended`, and then `closed` for older clients
      this.#ended = true;
    }
    const [question] = this.#questions;
    if (!question) throw new ProtocolError(`an answer to nothing: ${answer.kind}`);
    if (![question.kind, "error"].includes(answer.kind)) {
      throw new ProtocolError(`expected '${question.kind}', got '${answer.kind}'`);
    }
    this.#questions.shift();
    if (answer.kind === "error") {
      this.next = answer.error.next ?? this.next;
      question.reject(answer.error);
      return;
    }
    if (answer.kind === "reply") ({ wake: this.wake, saved: this.saved } = answer);
    const { kind, ...fields } = answer;
    question.resolve(fields);
  }
}
