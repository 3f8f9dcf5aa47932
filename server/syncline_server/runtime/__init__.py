"""The running server: application, processes, listeners, TLS."""
