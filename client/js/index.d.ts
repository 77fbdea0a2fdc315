/** Client of a skiprnn server, for browsers and Node. */

/** The network updated its state on sample `t`: its outputs became `y` and are valid until the next update. */
export interface Update {
  t: number;
  /** K numbers: probabilities, or values in raw units. */
  y: Float32Array;
  /** The most probable class; null for a regression, and where several labels may hold at once. */
  label: string | null;
  /** Number of the sequence that `t` counts in: resets before it. */
  sequence: number;
  /** The alarm that it gave: its class, and its probability in `y`. null: none, or the network has no events, or the server is older. */
  event: { label: string; score: number } | null;
}

/** The answer to one message of samples. */
export interface Reply {
  /** Index of the last sample consumed; −1 before the first. */
  t: number;
  /** Index of the next update; samples before it may be left out. */
  wake: number;
  updates: Update[];
  /** Samples before this index are durable: a restarted server has them. */
  saved: number;
}

/** The server's first message: docs/reference/protocol.md explains every field. */
export interface Ready {
  stream_id: string;
  model: string;
  version: string;
  features: number;
  outputs: number;
  classes: string[];
  /** Of a regression: name and unit of each output, or none. */
  targets: { name: string; unit: string }[];
  /** Outputs are independent probabilities: any number of the classes may hold at once. */
  multi_label: boolean;
  /** When outputs are an alarm, the refractory time in samples; null: the classes are no events. */
  events: { background: string; threshold: number; refractory: number } | null;
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
  /** Resume the stream with this id, or start it; by default the server generates an id. */
  streamId?: string;
  /** Of samples and replies; "f32" (binary) by default. */
  encoding?: "f32" | "json";
  /** Of the gate, in [0.5, 1]; higher means fewer updates. */
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

export interface RetryPolicy {
  /** Limit of the buffer of samples that the server has not saved; 65,536 by default. */
  maxSamples?: number;
  /** Likewise; 16 MiB by default. */
  maxBytes?: number;
  /** "wait" (default) takes no more samples until some are saved; "drop" discards the oldest; "raise" throws BufferFullError. */
  whenFull?: "wait" | "drop" | "raise";
  /** The wait before a new connection doubles from `initialBackoffMs` (250) to `maxBackoffMs` (15,000), with full jitter. */
  initialBackoffMs?: number;
  maxBackoffMs?: number;
  /** After so long without a connection that answers the last error is thrown; null: never. 300,000 by default. */
  retryTimeoutMs?: number | null;
}

/** @deprecated Now RetryPolicy: its old names still work, with a warning, and will be removed in the next release. */
export interface Resume extends RetryPolicy {
  firstMs?: number;
  capMs?: number;
  giveUpMs?: number | null;
}

/** Another try to connect that is about to be made. */
export interface Retry {
  /** Its number since the server last answered, from 1 on. */
  attempt: number;
  /** Milliseconds until it is made. */
  waitMs: number;
  /** Why the connection was lost, or could not be opened. */
  reason: string;
}

export interface StreamOptions extends ConnectOptions {
  /** End the stream after the last sample (default); false parks it, to be resumed by its stream id. */
  end?: boolean;
  /** How to continue after a lost connection; null: throw StreamClosed instead. */
  retry?: RetryPolicy | null;
  /** @deprecated Now `retry`. */
  resume?: Resume | null;
  /** Called with the server's first message on every connection. */
  onReady?: (ready: Ready) => void;
  /** Called before the wait for each further try to connect. */
  onRetry?: (retry: Retry) => void;
  /** Aborting it ends the iteration with its reason. */
  signal?: AbortSignal;
}

export interface SampleStreamOptions extends StreamOptions {
  /** Leave out samples that the network skips (default). */
  wake?: boolean;
  /** Messages that may be in flight; 1 with `wake`, else 16. */
  window?: number;
  /** Samples a message; by default as `samples` yields them. */
  chunk?: number;
  /** Index of the first sample; by default the stream's position. */
  start?: number;
}

/** What a source yields between samples: another sequence starts here. */
export const NEW_SEQUENCE: unique symbol;

/** A sample that the sensor missed: an update that falls on it waits for the next one. */
export const MISSED: Readonly<{ n: 1 }>;

/** One sample (F numbers), several in a row (n·F numbers), or a list of samples. */
export type Samples = ArrayLike<number> | ArrayLike<number>[];
type Source = Samples | typeof NEW_SEQUENCE | typeof MISSED;

/**
 * Stream samples and yield each update exactly once, in order, across lost connections. `url` may be a list: fail over.
 * MISSED, or null, among the samples is one that the sensor missed.
 */
export function stream(
  url: string | string[],
  samples: Iterable<Source | null> | AsyncIterable<Source | null>,
  options?: SampleStreamOptions,
): AsyncGenerator<Update, void, void>;

/** Fetch only the samples that the network updates on: `read(t)` gives sample t, MISSED, or null when there are no more. */
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
  /** Index of the next update, according to the latest reply. */
  readonly wake: number;
  readonly saved: number;
  readonly sequence: number;
  /** The later of `next` and `wake`: the network skips the samples before it. */
  readonly nextNeeded: number;
  readonly goingAway: { timeLeftMs: number } | null;
  /** Of the next n samples, leave out those that the network skips. Returns how many that are. */
  leaveOut(n: number): number;
  /** Send samples; several calls may be in flight, and are answered in order. */
  send(x: Samples, options?: { t?: number }): Promise<Reply>;
  /** Tell the server that `n` samples (1) were missed: an update that falls on one waits for the next that is there. */
  missed(n?: number, options?: { t?: number }): Promise<Reply>;
  reset(): Promise<void>;
  keepalive(): void;
  end(): Promise<{ samples: number; updates: number }>;
  close(): void;
}

export class ClientError extends Error {}
export class SampleError extends ClientError {}
export class ConnectionFailed extends ClientError {}
export class BufferFullError extends ClientError {}
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

/** @deprecated Now ConnectionFailed. */
export const Unreachable: typeof ConnectionFailed;
/** @deprecated Now ConnectionFailed. */
export type Unreachable = ConnectionFailed;
/** @deprecated Now BufferFullError. */
export const Unsaved: typeof BufferFullError;
/** @deprecated Now BufferFullError. */
export type Unsaved = BufferFullError;
