"""The socket that clients connect to, and the line that says where it is."""

from __future__ import annotations

import socket

from syncline_protocol import __version__
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError

__all__ = ["announce", "listen"]

BACKLOG = 2048
"""Connections that may wait to be accepted."""


def listen(
    settings: Settings, *, shared: bool = False, port: int | None = None
) -> list[socket.socket]:
    """Sockets that listen where the settings say, all on one port.

    Args:
        shared: lets several sockets listen there; the kernel spreads connections over them.
        port: in the place of that of the settings.

    Raises:
        SettingError: that is not possible.
    """
    port = settings.port if port is None else port
    listeners: list[socket.socket] = []
    try:
        for host in settings.hosts:
            # Port 0 takes a free one for the first address, and the others take the same.
            listeners.append(_listen_on(host, port, shared))
            port = listeners[0].getsockname()[1]
    except SettingError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _listen_on(host: str, port: int, shared: bool) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server(
            (host, port),
            family=family,
            backlog=BACKLOG,
            reuse_port=shared,
            # "All addresses" means both families where the system can.
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
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
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.hosts[0], settings.hosts[0])
    scheme = "http" if settings.tls_cert is None else "https"
    return f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{port}"
