/**
 * What can go wrong, in one tree.
 *
 * ClientError
 * ├── SampleError        the caller's: a sample of the wrong length, or not finite; nothing was sent
 * ├── ConnectionFailed   no connection was opened (a browser does not tell a page why: no server, or a rejection)
 * ├── ServerError        the server could not process a message; the stream is where it was before the message
 * ├── StreamClosed       the connection ended before the stream did
 * ├── StreamLost         the server no longer has the stream, and the client's buffer does not reach back far enough
 * ├── BufferFullError    the buffer of samples that the server has not saved is full (whenFull: "raise")
 * └── ProtocolError      a message that docs/reference/protocol.md does not allow
 */
export class ClientError extends Error {
  constructor(message) {
    super(message);
    this.name = this.constructor.name;
  }
}

export class SampleError extends ClientError {}
export class ConnectionFailed extends ClientError {}
export class BufferFullError extends ClientError {}
export class ProtocolError extends ClientError {}

export class ServerError extends ClientError {
  constructor(code, message, { next, fatal = false } = {}) {
    super(`${code}: ${message}`);
    Object.assign(this, { code, next, fatal });
  }
}

/** The error that answered a message of missed samples: servers of version 0.1 do not know such a message. */
export function missedRejected(error) {
  if (!(error instanceof ServerError) || error.code !== "message" || error.fatal) return error;
  const why = "this server does not take missed samples; it is older than 0.2: update it, or send the last values instead";
  return new ServerError(error.code, `${why} (it says: ${error.message.replace("message: ", "")})`, error);
}

// Going away, lost without a close frame, internal error, restart, try again later, idle, client reads too slowly.
const RESUMABLE = new Set([1001, 1006, 1011, 1012, 1013, 4408, 4410]);

export class StreamClosed extends ClientError {
  constructor(code, reason = "") {
    super(`closed with ${code}${reason && ": "}${reason}`);
    Object.assign(this, { code, reason, resumable: RESUMABLE.has(code) });
  }
}

export class StreamLost extends ClientError {
  constructor(why, [sequence, t]) {
    super(`${why}; lost from sample ${t} of sequence ${sequence} on`);
    Object.assign(this, { sequence, t });
  }
}
