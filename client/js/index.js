/** Client of a skiprnn server, for browsers and Node. The protocol is specified in docs/reference/protocol.md. */
export { Connection, connect } from "./src/connection.js";
export {
  BufferFullError,
  ClientError,
  ConnectionFailed,
  ProtocolError,
  SampleError,
  ServerError,
  StreamClosed,
  StreamLost,
} from "./src/errors.js";
export { MISSED, NEW_SEQUENCE } from "./src/samples.js";
export { stream, streamFrom } from "./src/stream.js";

// Deprecated: names of the release before.
export { BufferFullError as Unsaved, ConnectionFailed as Unreachable } from "./src/errors.js";
