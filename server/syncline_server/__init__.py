"""The Syncline server: objects in Redis, served over REST, WebSocket and SSE."""
