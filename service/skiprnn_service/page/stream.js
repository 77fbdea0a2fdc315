/**
 * A stream over a websocket that outlives its connections (docs/protocol.md, "Resuming").
 *
 * It keeps what was sent and is not yet durable. When the connection breaks it comes back with the same stream id, sends
 * again what the server does not know, and hands out every update exactly once.
 */

const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 2000;
const KEEPALIVE_MS = 30_000;
const ENDED = 1000;
const OWNED_ELSEWHERE = 4409;

/** The connection ended before the stream did. */
class Lost extends Error {
  constructor(code, reason) {
    super(reason || `closed with ${code}`);
    this.code = code;
  }
}

/** The server said no to a message. */
export class Refused extends Error {}

export class Stream {
  #url;
  #subprotocols;
  #hear;
  #socket = null;
  #answer = null; // of the message that is on its way
  #kept = []; // {t, rows}: sent, and not durable
  #coming = null; // the way back, while it is under way
  #lastUpdate = -1;
  #over = false;

  /**
   * @param {URL} url of the model's streaming route
   * @param {string[]} subprotocols
   * @param {{update: function, state: function}} hear update({t, y}) for every sample read, in order;
   *   state({kind, …}) for "lost" {attempt, waitMs}, "back" {resumed, replayed, ms}, "leaving" {ms}
   */
  constructor(url, subprotocols, hear) {
    this.#url = new URL(url);
    this.#subprotocols = subprotocols;
    this.#hear = hear;
    this.ready = null;
    this.wake = 0;
    this.roundTripMs = 0;
  }

  /** Open it; resolves to what the server says first. */
  async open() {
    this.ready = await this.#dial();
    this.#url.searchParams.set("stream_id", this.ready.stream_id);
    this.wake = this.ready.wake;
    this.keepalive = setInterval(() => this.#say({ type: "keepalive" }), KEEPALIVE_MS);
    return this.ready;
  }

  /** Send samples, the first of index t; resolves when the server has consumed them, however often it breaks. */
  async send(t, rows) {
    await this.#coming;
    const block = { t, rows };
    this.#kept.push(block);
    const start = performance.now();
    try {
      await this.#exchange(block);
      this.roundTripMs = performance.now() - start;
    } catch (error) {
      if (!(error instanceof Lost)) throw error;
      await this.#comeBack();
    }
  }

  /** End it; the server forgets it. */
  end() {
    this.leave(false);
    this.#say({ type: "end" });
    setTimeout(() => this.#socket?.close(), 2000);
  }

  /** Let go of the connection; the server keeps the stream for a while. */
  leave(close = true) {
    this.#over = true;
    clearInterval(this.keepalive);
    if (close) this.#socket?.close();
  }

  #say(message) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  #dial() {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.#url, this.#subprotocols);
      this.#socket = socket;
      this.#answer = { resolve, reject };
      socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
      socket.onclose = ({ code, reason }) => {
        if (socket === this.#socket) this.#closed(new Lost(code, reason));
      };
    });
  }

  #exchange(block) {
    return new Promise((resolve, reject) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) {
        reject(new Lost(1006, "the connection is gone"));
        return;
      }
      this.#answer = { resolve, reject };
      this.#say({ t: block.t, x: block.rows });
    });
  }

  #take(message) {
    switch (message.type) {
      case undefined:
        this.#reply(message);
        this.#settle("resolve", message);
        break;
      case "ready":
        this.#settle("resolve", message);
        break;
      case "error":
        this.#settle("reject", new Refused(`${message.code}: ${message.message}`));
        break;
      case "go_away":
        this.#hear.state({ kind: "leaving", ms: message.time_left_ms });
        break;
      case "saved":
        this.#forget(message.saved);
    }
  }

  #reply({ wake, updates, saved }) {
    this.wake = wake;
    this.#forget(saved);
    this.#news(updates);
  }

  #news(updates) {
    for (const update of updates) {
      if (update.t <= this.#lastUpdate) continue; // said before the connection broke
      this.#lastUpdate = update.t;
      this.#hear.update(update);
    }
  }

  #forget(saved) {
    const first = this.#kept.findIndex(({ t, rows }) => t + rows.length > saved);
    this.#kept.splice(0, first < 0 ? this.#kept.length : first);
  }

  #settle(how, value) {
    const answer = this.#answer;
    this.#answer = null;
    answer?.[how](value);
  }

  #closed(error) {
    if (this.#answer) this.#settle("reject", error);
    else if (!this.#over && error.code !== ENDED) this.#comeBack().catch(() => {}); // the next send says why
  }

  #comeBack() {
    this.#coming ??= this.#return().finally(() => (this.#coming = null));
    return this.#coming;
  }

  async #return() {
    const lostAt = performance.now();
    for (let attempt = 1; ; attempt++) {
      const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS);
      this.#hear.state({ kind: "lost", attempt, waitMs });
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      if (this.#over) return;
      try {
        const ready = await this.#dial();
        const replayed = await this.#replay(ready);
        this.#hear.state({ kind: "back", resumed: ready.resumed, replayed, ms: performance.now() - lostAt });
        return;
      } catch (error) {
        if (!(error instanceof Lost) || error.code === OWNED_ELSEWHERE) throw error;
      }
    }
  }

  /** Send what the server does not know; returns how many samples that were. */
  async #replay(ready) {
    this.ready = ready;
    this.wake = ready.wake;
    this.#news(ready.updates);
    const unknown = this.#kept.filter(({ t, rows }) => t + rows.length > ready.next);
    for (const block of unknown) await this.#exchange(block);
    return unknown.reduce((sum, { rows }) => sum + rows.length, 0);
  }
}
