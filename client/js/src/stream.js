/** Samples in, updates out: sockets and waiting around ExactlyOnce. */

import { Dialer, RESUME } from "./dialer.js";
import { ClientError, StreamClosed } from "./errors.js";
import { ExactlyOnce } from "./exactly_once.js";
import { KEEPALIVE } from "./messages.js";
import { Blocks, NEW_SEQUENCE, asSamples } from "./samples.js";
import { Socket } from "./socket.js";

const WINDOW = 16; // messages on their way where nothing is left out

/** Stream samples and yield each update once, in order, whatever breaks on the way. Options: index.d.ts. */
export async function* stream(url, samples, options = {}) {
  const { wake = true, window = null, chunk = null, start = null, end = true } = options;
  if (window !== null && !(window >= 1)) throw new RangeError(`window: expected at least 1, got ${window}`);
  const session = new Session(url, options, { window: window ?? (wake ? 1 : WINDOW), wake });
  yield* session.updates(async (core) => {
    core.next = start ?? core.next;
    const blocks = new Blocks(core.ready, { encoding: options.encoding, chunk, t: core.next });
    for await (const x of session.guarded(samples)) {
      for (const block of blocks.push(x)) await session.put(block);
    }
    for (const block of blocks.rest()) await session.put(block);
    await session.finish(end);
  });
}

/** Fetch only the samples that the network reads: `read(t)` → sample t, or null when there are no more. */
export async function* streamFrom(url, read, options = {}) {
  const session = new Session(url, options, { window: 1, wake: true });
  yield* session.updates(async (core) => {
    for (let x; (x = await read(core.nextNeeded)) != null; ) {
      core.next = core.nextNeeded;
      await session.put(x === NEW_SEQUENCE ? x : asSamples(x, core.ready.features, core.next));
      await session.until(() => core.quiet);
    }
    await session.finish(options.end ?? true);
  });
}

class Session {
  #core;
  #dialer;
  #options;
  #socket = null;
  #waiting = new Set();
  #failed = null; // {error}
  #source = null;
  #spoke = 0;
  #stopKeepAlive = () => {};

  constructor(url, options, { window, wake }) {
    const resume = options.resume === null ? null : { ...RESUME, ...options.resume };
    if (resume && !["wait", "drop", "raise"].includes(resume.whenFull)) {
      throw new RangeError(`whenFull: expected 'wait', 'drop' or 'raise', got '${resume.whenFull}'`);
    }
    this.#options = options;
    this.#dialer = new Dialer(url, resume);
    const elsewhere = this.#dialer.urls.length > 1;
    this.#core = new ExactlyOnce({ encoding: options.encoding, window, wake, resume, elsewhere });
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
          while (!this.#core.over && !this.#core.leaving) {
            updates = this.#core.received(await this.#socket.receive());
            this.#dialer.heard();
            this.#changed();
            yield* updates;
          }
          if (!this.#core.over) throw new StreamClosed(1012, "it goes away");
        } catch (error) {
          await this.#lost(error);
        }
      }
      if (this.#failed) throw this.#failed.error;
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#leave();
      this.#disconnect();
      this.#source?.return?.(); // not waited for: it may itself wait for a sample that never comes
    }
  }

  // -- for the pump

  /** What a source yields, until the session is over. */
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
      await this.until(() => core.quiet);
      core.reset();
    } else {
      await this.until(() => core.room);
      core.put(block);
    }
    this.#changed();
  }

  async finish(end) {
    const core = this.#core;
    await this.until(() => core.quiet);
    if (end) {
      core.end();
      this.#changed();
      return;
    }
    core.settle();
    this.#changed();
    await this.until(() => core.quiet);
    this.#leave();
  }

  /** Wait until something is so. Stops the pump once nobody wants the stream any more. */
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
        await this.until(() => this.#core.quiet); // what a source throws comes after the updates of what it gave before
        this.#fail(error);
      } catch {
        return; // over meanwhile
      }
    }
  }

  #fail(error) {
    this.#failed ??= { error };
    this.#leave();
  }

  #leave() {
    this.#core.leave();
    this.#socket?.close();
    this.#changed();
  }

  /** Send what there is to send, and tell all who wait. */
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
    await this.#sleep(this.#dialer.lost(error));
  }

  async #connect() {
    while (!this.#core.over) {
      try {
        const socket = await Socket.open(this.#dialer.url, this.#options);
        return this.#connected(socket);
      } catch (error) {
        if (!(error instanceof ClientError) || this.#socket) throw error;
        await this.#sleep(this.#dialer.failed(error));
      }
    }
    return [];
  }

  #connected(socket) {
    const { ready } = socket;
    this.#socket = socket;
    this.#dialer.opened();
    const updates = this.#core.connected(ready);
    // Should the stream begin again, then as it began.
    const same = { streamId: ready.stream_id, version: ready.version, threshold: ready.threshold };
    this.#options = { ...this.#options, ...same };
    this.#options.onReady?.(ready);
    this.#keepAlive(socket, ready.limits.idle_timeout_seconds);
    return updates;
  }

  /** Pages cannot send pings, and a stream that says nothing for long is parked. */
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

  /** Ends early when the session does. */
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

/** Thrown inside a pump that nobody wants any more. */
class Over extends Error {}
