/** Client of a skiprnn server, for browsers and Node. */

/** The network read sample `t` of a sequence: its outputs became `y` and hold until the next update. */
export interface Update {
  t: number;
  /** K numbers: probabilities, or values in raw units. */
  y: Float32Array;
  /** The most probable class; null for a network that does not tell classes apart. */
  label: string | null;
  /** Which of the stream's sequences `t` counts in. */
  sequence: number;
}

/** The answer to one message of samples. */
export interface Reply {
  /** Index of the last sample consumed; −1 before the first. */
  t: number;
  /** Index of the next sample that will be read; samples before it may be left out. */
  wake: number;
  updates: Update[];
  /** Samples before this index survive the server. */
  saved: number;
}

/** What the server says first: docs/reference/protocol.md explains every field. */
export interface Ready {
  stream_id: string;
  model: string;
  version: string;
  features: number;
  outputs: number;
  classes: string[];
  channels?: { name: string; unit: string }[];
  task?: string;
  sample_rate?: number | null;
  threshold?: number;
  resumed: boolean;
  sequence: number;
  next: number;
  wake: number;
  saved: number;
  updates: Update[];
  updates_from: number;
  limits: { durable?: boolean; replay_updates?: number; max_samples?: number; [name: string]: unknown };
}

export interface ConnectOptions {
  /** Go on with the stream of this name, or start it; by default the server makes a name. */
  streamId?: string;
  /** Of samples and replies; "f32" (binary) by default. */
  encoding?: "f32" | "json";
  /** Of the gate, in [0.5, 1]; higher reads fewer samples. */
  threshold?: number;
  /** Of the model. */
  version?: string;
  /** A key or token. It travels as a websocket subprotocol, since a browser sends no other header. */
  apiKey?: string;
  /** Called before each connection; resolves to a ticket from POST /v1/tickets. */
  ticket?: () => string | Promise<string>;
  /** The class to use in place of the global one. */
  WebSocket?: unknown;
}

export interface Resume {
  /** Of samples kept because the server has not saved them; 65,536 by default. */
  maxSamples?: number;
  /** Likewise; 16 MiB by default. */
  maxBytes?: number;
  /** "wait" (default) takes no more samples until some are saved; "drop" lets go of the oldest; "raise" throws Unsaved. */
  whenFull?: "wait" | "drop" | "raise";
  /** The wait before connecting again, jittered, doubling from `firstMs` (250) to `capMs` (15,000). */
  firstMs?: number;
  capMs?: number;
  /** After so long without a connection that answers the last error is thrown; null: never. 300,000 by default. */
  giveUpMs?: number | null;
}

export interface StreamOptions extends ConnectOptions {
  /** End the stream after the last sample (default); false parks it, to be resumed by its stream id. */
  end?: boolean;
  /** How to go on after a lost connection; null: do not, throw StreamClosed. */
  resume?: Resume | null;
  /** Called with what the server says first, each time a connection is made. */
  onReady?: (ready: Ready) => void;
  /** Aborting it ends the iteration with its reason. */
  signal?: AbortSignal;
}

export interface SampleStreamOptions extends StreamOptions {
  /** Leave out samples that will not be read (default). */
  wake?: boolean;
  /** Messages that may be on their way; 1 with `wake`, else 16. */
  window?: number;
  /** Samples a message; by default as `samples` yields them. */
  chunk?: number;
  /** Index of the first sample; by default where the stream stands. */
  start?: number;
}

/** What a source yields besides samples: what follows is another sequence. */
export const NEW_SEQUENCE: unique symbol;

/** One sample (F numbers), several in a row (n·F numbers), or a list of samples. */
export type Samples = ArrayLike<number> | ArrayLike<number>[];
type Source = Samples | typeof NEW_SEQUENCE;

/** Stream samples and yield each update once, in order, whatever breaks on the way. `url` may be a list: fail over. */
export function stream(
  url: string | string[],
  samples: Iterable<Source> | AsyncIterable<Source>,
  options?: SampleStreamOptions,
): AsyncGenerator<Update, void, void>;

/** Fetch only the samples that the network reads: `read(t)` gives sample t, or null when there are no more. */
export function streamFrom(
  url: string | string[],
  read: (t: number) => Source | null | undefined | Promise<Source | null | undefined>,
  options?: StreamOptions,
): AsyncGenerator<Update, void, void>;

/** Open a single connection; it is not resumed by itself. */
export function connect(url: string, options?: ConnectOptions): Promise<Connection>;

export class Connection {
  private constructor();
  readonly ready: Ready;
  /** Index of the sample that `send` takes next; set it to go back to an earlier one. */
  next: number;
  /** Index of the next sample that will be read, as far as replies have told. */
  readonly wake: number;
  readonly saved: number;
  readonly sequence: number;
  /** The later of `next` and `wake`: the next sample worth sending, or even fetching. */
  readonly nextNeeded: number;
  readonly goingAway: { timeLeftMs: number } | null;
  /** Of the next n samples, pass over those that will not be read. Returns how many that are. */
  leaveOut(n: number): number;
  /** Send samples; several calls may be on their way, and are answered in order. */
  send(x: Samples, options?: { t?: number }): Promise<Reply>;
  reset(): Promise<void>;
  keepalive(): void;
  end(): Promise<{ samples: number; updates: number }>;
  close(): void;
}

export class ClientError extends Error {}
export class SampleError extends ClientError {}
export class Unreachable extends ClientError {}
export class Unsaved extends ClientError {}
export class ProtocolError extends ClientError {}
export class ServerError extends ClientError {
  code: string;
  next?: number;
  fatal: boolean;
}
export class StreamClosed extends ClientError {
  code: number;
  reason: string;
  resumable: boolean;
}
export class StreamLost extends ClientError {
  sequence: number;
  t: number;
}
