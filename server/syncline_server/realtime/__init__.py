"""Connections that stay open: the native protocol, Twilsock, and server-sent events."""
