"""The socket that clients connect to, and the line that says where it is."""

from __future__ import annotations

import socket

from syncline_protocol import __version__
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError

__all__ = ["announce", "listen"]

BACKLOG = 2048
"""Connections that may wait to be accepted."""


def listen(settings: Settings, *, shared: bool = False, port: int | None = None) -> socket.socket:
    """A socket that listens where the settings say.

    Args:
        shared: lets several sockets listen there; the kernel spreads connections over them.
        port: in the place of that of the settings.

    Raises:
        SettingError: that is not possible.
    """
    host, port = settings.host, settings.port if port is None else port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server(
            (host, port), family=family, backlog=BACKLOG, reuse_port=shared
        )
    except OSError as error:
        raise SettingError(
            f"cannot listen on {host} port {port} ({error.strerror}); "
            "choose others with --host and --port"
        ) from None
    listener.setblocking(False)
    return listener


def announce(settings: Settings, listener: socket.socket) -> None:
    """Say on stdout that connections are accepted, and where."""
    url = _url(settings, listener.getsockname()[1])
    print(f"Syncline {__version__} is ready at {url}", flush=True)
    if settings.demo:
        print(f"Demo: {url}/demo", flush=True)


def _url(settings: Settings, port: int) -> str:
    """What to open on this machine: an address that means "all" is none that a browser takes."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    scheme = "http" if settings.tls_cert is None else "https"
    return f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{port}"
