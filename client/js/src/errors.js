/**
 * What can go wrong, in one tree.
 *
 * ClientError
 * ├── SampleError     yours: a sample of the wrong length, or not finite; nothing was sent
 * ├── Unreachable     no server let us in (a browser does not tell a page why: no server, or a refusal)
 * ├── ServerError     the server could not take a message; the stream stands where it stood
 * ├── StreamClosed    the connection ended before the stream did
 * ├── StreamLost      the server does not know the stream any more, and what is kept here does not reach back far enough
 * ├── Unsaved         too much is kept that the server has not saved (whenFull: "raise")
 * └── ProtocolError   what came is not what docs/reference/protocol.md promises
 */
export class ClientError extends Error {
  constructor(message) {
    super(message);
    this.name = this.constructor.name;
  }
}

export class SampleError extends ClientError {}
export class Unreachable extends ClientError {}
export class Unsaved extends ClientError {}
export class ProtocolError extends ClientError {}

export class ServerError extends ClientError {
  constructor(code, message, { next, fatal = false } = {}) {
    super(`${code}: ${message}`);
    Object.assign(this, { code, next, fatal });
  }
}

// Going away, lost without a close frame, internal error, restart, try later, idle, replies not read.
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
