/** One stream over as many connections as it takes: sockets and waiting around ResumableStream. */

import { ClientError, StreamClosed } from "./errors.js";
import { KEEPALIVE } from "./messages.js";
import { Reconnect } from "./reconnect.js";
import { ResumableStream } from "./resumable_stream.js";
import { retryPolicy } from "./retry.js";
import { NEW_SEQUENCE } from "./samples.js";
import { Socket } from "./socket.js";

export class Driver {
  #core;
  #reconnect;
  #options;
  #socket = null;
  #waiting = new Set();
  #failed = null; // {error}
  #source = null;
  #spoke = 0;
  #stopKeepAlive = () => {};

  constructor(url, options, { window, wake }) {
    const retry = retryPolicy(options);
    this.#options = options;
    this.#reconnect = new Reconnect(url, retry);
    const elsewhere = this.#reconnect.urls.length > 1;
    this.#core = new ResumableStream({ encoding: options.encoding, window, wake, retry, elsewhere });
  }

  /** Each update once, in order. `pump` puts everything in; it is started once the first connection is open. */
  async *updates(pump) {
    const { signal } = this.#options;
    const abort = () => this.#fail(signal.reason);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", abort);
    let pumping = false;
    try {
      while (!this.#core.over) {
        try {
          let updates = await this.#connect();
          if (!pumping) this.#pump(pump);
          pumping = true;
          this.#changed();
          yield* updates;
          while (!this.#core.over && !this.#core.movingAway) {
            updates = this.#core.received(await this.#socket.receive());
            this.#reconnect.answered();
            this.#changed();
            yield* updates;
          }
          if (!this.#core.over) throw new StreamClosed(1012, "the server goes away");
        } catch (error) {
          await this.#lost(error);
        }
      }
      if (this.#failed) throw this.#failed.error;
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#abandon();
      this.#disconnect();
      this.#source?.return?.(); // not waited for: it may itself wait for a sample that never comes
    }
  }

  // -- for the pump

  /** What a source yields, until the stream is over. */
  async *guarded(samples) {
    this.#source = samples[Symbol.asyncIterator]?.() ?? samples[Symbol.iterator]();
    while (!this.#core.over) {
      const { done, value } = await this.#source.next();
      if (done) break;
      yield value;
    }
    this.#source = null;
  }

  async put(block) {
    const core = this.#core;
    if (block === NEW_SEQUENCE) {
      await this.until(() => core.idle);
      core.reset();
    } else {
      await this.until(() => core.canSend);
      core.put(block);
    }
    this.#changed();
  }

  async finish(end) {
    const core = this.#core;
    await this.until(() => core.idle);
    if (end) {
      core.end();
      this.#changed();
      return;
    }
    core.flush();
    this.#changed();
    await this.until(() => core.idle);
    this.#abandon();
  }

  /** Wait until something is so. Stops the pump once the stream is over. */
  async until(condition) {
    while (!condition()) {
      if (this.#core.over) throw new Over();
      await new Promise((resolve) => this.#waiting.add(resolve));
    }
    if (this.#core.over) throw new Over();
  }

  // -- inside

  async #pump(pump) {
    try {
      await pump(this.#core);
    } catch (error) {
      if (this.#core.over) return;
      try {
        await this.until(() => this.#core.idle); // its error comes after the updates of the samples before it
        this.#fail(error);
      } catch {
        return; // over meanwhile
      }
    }
  }

  #fail(error) {
    this.#failed ??= { error };
    this.#abandon();
  }

  #abandon() {
    this.#core.abandon();
    this.#socket?.close();
    this.#changed();
  }

  /** Send what there is to send, and tell those that wait. */
  #changed() {
    if (this.#socket) {
      for (const message of this.#core.outgoing()) {
        this.#socket.send(message);
        this.#spoke = performance.now();
      }
    }
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  async #lost(error) {
    this.#disconnect();
    if (this.#core.over) return;
    if (!(error instanceof StreamClosed)) throw error;
    this.#core.lost(error);
    await this.#retry(this.#reconnect.lost(error), error);
  }

  async #connect() {
    while (!this.#core.over) {
      try {
        const socket = await Socket.open(this.#reconnect.url, this.#options);
        return this.#connected(socket);
      } catch (error) {
        if (!(error instanceof ClientError) || this.#socket) throw error;
        await this.#retry(this.#reconnect.failed(error), error);
      }
    }
    return [];
  }

  #connected(socket) {
    const { ready } = socket;
    this.#socket = socket;
    this.#reconnect.opened();
    const updates = this.#core.connected(ready);
    // Should the stream start again, then as it started.
    const same = { streamId: ready.stream_id, version: ready.version, threshold: ready.threshold };
    this.#options = { ...this.#options, ...same };
    this.#options.onReady?.(ready);
    this.#keepAlive(socket, ready.limits.idle_timeout_seconds);
    return updates;
  }

  /** Pages cannot send pings, and the server parks a stream that sends nothing for its idle timeout. */
  #keepAlive(socket, idleSeconds) {
    if (!idleSeconds) return;
    const third = (idleSeconds * 1000) / 3;
    const timer = setInterval(() => {
      if (performance.now() - this.#spoke >= third) socket.send(KEEPALIVE);
    }, third);
    this.#stopKeepAlive = () => clearInterval(timer);
  }

  #disconnect() {
    this.#stopKeepAlive();
    this.#socket?.close();
    this.#socket = null;
  }

  /** Say that another try follows, and why; then wait for it. */
  async #retry(waitMs, error) {
    this.#options.onRetry?.({ attempt: this.#reconnect.attempts, waitMs, reason: error.message });
    await this.#sleep(waitMs);
  }

  /** Ends early when the stream does. */
  async #sleep(ms) {
    let timer;
    const slept = new Promise((resolve) => (timer = setTimeout(resolve, ms, "slept")));
    while (!this.#core.over) {
      const changed = new Promise((resolve) => this.#waiting.add(resolve));
      if ((await Promise.race([slept, changed])) === "slept") return;
    }
    clearTimeout(timer);
  }
}

/** Thrown inside the pump of a stream that is over. */
class Over extends Error {}
