"""One connection: messages, transport and flow control. Imports streams, engine, settings and errors."""
