/** Client of a skiprnn server, for browsers and Node. What travels is written in docs/reference/protocol.md. */
export { Connection, connect } from "./src/connection.js";
export {
  ClientError,
  ProtocolError,
  SampleError,
  ServerError,
  StreamClosed,
  StreamLost,
  Unreachable,
  Unsaved,
} from "./src/errors.js";
export { NEW_SEQUENCE } from "./src/samples.js";
export { stream, streamFrom } from "./src/stream.js";
