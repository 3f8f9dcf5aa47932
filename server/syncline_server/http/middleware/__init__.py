"""ASGI middleware around all HTTP routes."""
