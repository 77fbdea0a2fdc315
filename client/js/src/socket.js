/** A websocket as a queue: what came is waited for, and a close is thrown by whoever waits. */

import { StreamClosed, ConnectionFailed } from "./errors.js";
import { decodeReady } from "./messages.js";

const OPEN_TIMEOUT_MS = 10_000;
const SCHEMES = { "http:": "ws:", "https:": "wss:", "ws:": "ws:", "wss:": "wss:" };

/** The websocket's address; options join the query. */
export async function address(url, options) {
  let parts;
  try {
    parts = new URL(url, globalThis.location?.href);
  } catch {
    parts = { protocol: "" };
  }
  if (!(parts.protocol in SCHEMES)) {
    throw new RangeError(`url: expected ws://HOST:PORT/v1/models/MODEL/stream, got '${url}'`);
  }
  parts.protocol = SCHEMES[parts.protocol];
  const query = { stream_id: options.streamId, threshold: options.threshold, version: options.version };
  for (const [name, value] of Object.entries(query)) if (value != null) parts.searchParams.set(name, value);
  if (options.ticket) parts.searchParams.set("ticket", await options.ticket());
  return parts;
}

export class Socket {
  #socket;
  #came = [];
  #closed = null;
  #wake = () => {};

  /** Resolves once `ready` has come; the socket then has it as `ready`. */
  static async open(url, options) {
    const encoding = options.encoding ?? "f32";
    if (!["f32", "json"].includes(encoding)) {
      throw new RangeError(`encoding: expected 'f32' or 'json', got '${encoding}'`);
    }
    const Class = options.WebSocket ?? globalThis.WebSocket;
    if (!Class) throw new TypeError("no WebSocket here: pass one as the option WebSocket (Node has one from 22 on)");
    const protocols = [`skiprnn.${encoding}`];
    if (options.apiKey) protocols.push(`skiprnn.token.${options.apiKey}`); // a browser sends no other header
    const socket = new Socket(new Class(await address(url, options), protocols));
    const timer = setTimeout(() => socket.close(), OPEN_TIMEOUT_MS);
    try {
      socket.ready = decodeReady(await socket.receive());
      return socket;
    } catch (error) {
      socket.close();
      if (!(error instanceof StreamClosed) || error.code !== 1006) throw error;
      throw new ConnectionFailed(`${url}: no server there, or it rejected the connection; its log says why`);
    } finally {
      clearTimeout(timer);
    }
  }

  constructor(socket) {
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      this.#came.push(data);
      this.#wake();
    };
    socket.onclose = ({ code, reason }) => this.#close(new StreamClosed(code, reason));
    socket.onerror = () => this.#close(new StreamClosed(1006, "connection failed")); // Node 20 sends no close after it
  }

  /** The next message. Throws StreamClosed once there is none left. For one waiting caller. */
  async receive() {
    while (!this.#came.length) {
      if (this.#closed) throw this.#closed;
      await new Promise((resolve) => (this.#wake = resolve));
    }
    return this.#came.shift();
  }

  /** Nothing happens on a closed one: whoever receives hears of it. */
  send(message) {
    if (!this.#closed && this.#socket.readyState === 1) this.#socket.send(message);
  }

  /** Does not wait for the other side: a dead one would not answer for minutes. */
  close() {
    this.#socket.close();
    this.#close(new StreamClosed(1006, "by the client"));
  }

  #close(error) {
    this.#closed ??= error;
    this.#wake();
  }
}
