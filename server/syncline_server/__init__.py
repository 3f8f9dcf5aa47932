"""The Syncline server: documents in Redis, served over REST, WebSocket and SSE."""
