/**
 * Which address to connect to next, and when. No sockets and timers here: it is told what happened, and answers with
 * milliseconds to wait: uniform in [0, min(maxBackoff, initialBackoff · 2^round)] ("full jitter"), where a round goes
 * over all addresses, so that the clients of a server that restarts do not reconnect all at once.
 */

import { StreamClosed, ConnectionFailed } from "./errors.js";

const STOPPING_CODES = new Set([1001, 1012]); // close codes of a server that stops: try another one first

export class Reconnect {
  #retry;
  #clock;
  #random;
  #at = 0;
  #tried = 0;
  #rounds = 0;
  #since = null;
  #reached = false;
  #openedAt = 0;
  attempts = 0; // tries that were advised since the server last answered

  constructor(urls, retry, { clock = () => performance.now(), random = Math.random } = {}) {
    this.urls = Array.isArray(urls) ? urls : [urls];
    if (!this.urls.length) throw new RangeError("url: expected at least one address, got none");
    this.#retry = retry;
    this.#clock = clock;
    this.#random = random;
  }

  /** The address to try. */
  get url() {
    return this.urls[this.#at];
  }

  /** A connection is open. */
  opened() {
    this.#reached = true;
    this.#openedAt = this.#clock();
  }

  /** The server has answered on this connection: it works. */
  answered() {
    this.#tried = this.#rounds = this.attempts = 0;
    this.#since = null;
  }

  /** No connection could be opened: milliseconds to wait before `url`, now the next one. Throws if that is pointless. */
  failed(error) {
    const temporary = error instanceof ConnectionFailed || (error instanceof StreamClosed && error.resumable);
    if (!temporary) throw error;
    this.#moveOn();
    this.#tried += 1;
    if (this.#tried < this.urls.length) {
      this.attempts += 1;
      return 0;
    }
    if (!this.#retry || !this.#reached) throw error; // no server was ever there: more likely a wrong address
    return this.#wait(error);
  }

  /** An open connection was lost: milliseconds to wait before `url` is tried, the same server unless it is stopping. */
  lost(error) {
    if (this.#clock() - this.#openedAt > this.#retry.maxBackoffMs) this.answered(); // it had nothing to answer, and it lasted
    if (STOPPING_CODES.has(error.code)) this.#moveOn();
    this.#tried = 0;
    return this.#wait(error);
  }

  #moveOn() {
    this.#at = (this.#at + 1) % this.urls.length;
  }

  #wait(error) {
    const { initialBackoffMs, maxBackoffMs, retryTimeoutMs } = this.#retry;
    const now = this.#clock();
    this.#since ??= now;
    const wait = this.#random() * Math.min(maxBackoffMs, initialBackoffMs * 2 ** this.#rounds);
    if (retryTimeoutMs !== null && now + wait - this.#since > retryTimeoutMs) throw error;
    this.#tried = 0;
    this.#rounds += 1;
    this.attempts += 1;
    return wait;
  }
}
