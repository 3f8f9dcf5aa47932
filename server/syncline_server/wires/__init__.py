"""The ways in for clients that stay: the native protocol, and server-sent events."""
