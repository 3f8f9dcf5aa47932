"""Tells TLS from plain HTTP, where a request failed because the URL has the wrong one."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

__all__ = ["wrong_scheme"]

TIMEOUT = 2.0
"""Seconds for the connection, and for each answer."""

_SECURE = {"http": "https", "ws": "wss"}
_PLAIN = {secure: plain for plain, secure in _SECURE.items()}


def wrong_scheme(url: str) -> str | None:
    """A sentence that says which scheme the port speaks, if it is not that of `url`."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme in _SECURE and _speaks_tls(host, parts.port or 80):
        right = urlunsplit(parts._replace(scheme=_SECURE[parts.scheme]))
        return f"this port speaks TLS: use {right}"
    if parts.scheme in _PLAIN and _speaks_plain_http(host, parts.port or 443):
        right = urlunsplit(parts._replace(scheme=_PLAIN[parts.scheme]))
        return f"this port speaks plain HTTP: use {right}"
    return None


def _speaks_tls(host: str, port: int) -> bool:
    """Only a handshake: nothing is sent, so no certificate needs to be verified."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), TIMEOUT) as connection:
            connection.settimeout(TIMEOUT)
            context.wrap_socket(connection, server_hostname=host).close()
    except ssl.SSLError as error:
        # A server that asks for a certificate of ours, or for another version, speaks TLS too.
        return "ALERT" in (error.reason or "")
    except OSError:
        return False
    return True


def _speaks_plain_http(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), TIMEOUT) as connection:
        connection.settimeout(TIMEOUT)
        connection.sendall(
            b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        answer = connection.recv(64)
        # nginx answers plain HTTP on its TLS port, with 400.
        return answer.startswith(b"HTTP/1.") and not answer.startswith(b"HTTP/1.1 400")
    return False
