//! RSocket's WebSocket transport on any stream.
