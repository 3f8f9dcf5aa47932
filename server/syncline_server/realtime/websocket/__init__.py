"""WebSocket connections: handshake, frames, sockets."""
