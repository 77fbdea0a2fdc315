/**
 * Which address to try next, and when. No sockets and timers here: it is told what happened, and answers with
 * milliseconds to wait. Waiting grows from one round over all addresses to the next: uniform in
 * [0, min(cap, first · 2^round)] ("full jitter"), so that the clients of a server that restarts do not come back at once.
 */

import { StreamClosed, Unreachable } from "./errors.js";

export const RESUME = Object.freeze({
  maxSamples: 65_536,
  maxBytes: 16_777_216,
  whenFull: "wait",
  firstMs: 250,
  capMs: 15_000,
  giveUpMs: 300_000,
});

const MOVED = new Set([1001, 1012]); // close codes of a server that stops: the others are better

export class Dialer {
  #resume;
  #clock;
  #random;
  #at = 0;
  #tried = 0;
  #rounds = 0;
  #since = null;
  #reached = false;
  #openedAt = 0;

  constructor(urls, resume, { clock = () => performance.now(), random = Math.random } = {}) {
    this.urls = Array.isArray(urls) ? urls : [urls];
    if (!this.urls.length) throw new RangeError("url: expected one at least");
    this.#resume = resume;
    this.#clock = clock;
    this.#random = random;
  }

  /** The address to try. */
  get url() {
    return this.urls[this.#at];
  }

  /** Somebody is there. */
  opened() {
    this.#reached = true;
    this.#openedAt = this.#clock();
  }

  /** The connection works: it has answered. */
  heard() {
    this.#tried = this.#rounds = 0;
    this.#since = null;
  }

  /** This address did not let us in: milliseconds to wait before `url`, now the next one. Throws if that is of no use. */
  failed(error) {
    const passing = error instanceof Unreachable || (error instanceof StreamClosed && error.resumable);
    if (!passing) throw error;
    this.#moveOn();
    this.#tried += 1;
    if (this.#tried < this.urls.length) return 0;
    if (!this.#resume || !this.#reached) throw error; // nobody has ever been there: more likely a wrong address
    return this.#wait(error);
  }

  /** An open connection broke: milliseconds to wait before `url` is tried, where it broke first. */
  lost(error) {
    if (this.#clock() - this.#openedAt > this.#resume.capMs) this.heard(); // nothing to answer, and it has held
    if (MOVED.has(error.code)) this.#moveOn();
    this.#tried = 0;
    return this.#wait(error);
  }

  #moveOn() {
    this.#at = (this.#at + 1) % this.urls.length;
  }

  #wait(error) {
    const { firstMs, capMs, giveUpMs } = this.#resume;
    const now = this.#clock();
    this.#since ??= now;
    const wait = this.#random() * Math.min(capMs, firstMs * 2 ** this.#rounds);
    if (giveUpMs !== null && now + wait - this.#since > giveUpMs) throw error;
    this.#tried = 0;
    this.#rounds += 1;
    return wait;
  }
}
