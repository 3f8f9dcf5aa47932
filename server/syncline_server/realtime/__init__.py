"""The ways in for clients that stay: the native protocol, Twilsock, and server-sent events."""
