"""Listening sockets, and the line on stdout with the server's URL."""

from __future__ import annotations

import shlex
import shutil
import socket
import sys
from pathlib import Path

from syncline_protocol import __version__
from syncline_server.config.credentials import FILE_NAME, Credentials
from syncline_server.config.running_server import RunningUrl
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError

__all__ = ["READY_CHECK_INTERVAL", "announce", "listen"]

READY_CHECK_INTERVAL = 0.02
"""Seconds between checks whether a started server is ready to be announced."""

BACKLOG = 2048
"""Maximum connections in the accept queue."""


def listen(
    settings: Settings, *, shared: bool = False, port: int | None = None
) -> list[socket.socket]:
    """Listening sockets on the addresses of the settings, all on one port.

    Args:
        shared: allow several sockets on the port (SO_REUSEPORT); the kernel spreads connections
            over them.
        port: port to use instead of the one in the settings; None for that one.

    Raises:
        SettingError: the server cannot listen on an address.
    """
    port = settings.port if port is None else port
    listeners: list[socket.socket] = []
    try:
        for host in settings.hosts:
            # With port 0 the first address gets a free port, which the others then use too.
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
            # `::` means IPv4 too, if the system supports dual-stack sockets.
            dualstack_ipv6=host == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as error:
        raise SettingError(
            f"cannot listen on {host} port {port} ({error.strerror}); "
            "choose others with --host and --port"
        ) from None
    listener.setblocking(False)
    return listener


def announce(
    settings: Settings, credentials: Credentials, listener: socket.socket, running: RunningUrl
) -> None:
    """Print the line that says that the server accepts connections, with its URL.

    At the first start, what to do next follows. `running`: the file that gets the URL too.
    """
    url = _url(settings, listener.getsockname()[1])
    running.write(url)
    lines = [f"Syncline {__version__} is ready at {url}"]
    if settings.demo:
        lines.append(f"Demo: {url}/demo")
    if credentials.are_new:
        lines += _first_steps(settings, url)
    print("\n".join(lines), flush=True)


def _first_steps(settings: Settings, url: str) -> list[str]:
    """A table of what to do after the first start."""
    usual = Settings()
    data_dir = shlex.quote(str(settings.data_dir))
    found = "" if settings.data_dir == usual.data_dir else f" --data-dir {data_dir}"
    command = _command()
    steps = {
        **({"Console": f"{url}/console"} if settings.has_console else {}),
        "REST API": f"{url}/docs",
        "Credentials": f"{settings.data_dir / FILE_NAME} (account, and a key that signs tokens)",
        "A token": f"{command} token --identity alice{found}",
        "A document": f"{command} doc set{found} lobby '{{\"players\": 1}}'",
        "See it change": f"{command} doc watch{found} lobby",
    }
    width = max(map(len, steps))
    return ["", *(f"  {name:<{width}}  {text}" for name, text in steps.items())]


def _command() -> str:
    """The command `syncline`, with its path where a shell would not find this server's."""
    started = Path(sys.argv[0])
    found = shutil.which("syncline")
    if started.name != "syncline" or (found and started.exists() and started.samefile(found)):
        return "syncline"
    here = Path.cwd()
    path = started.relative_to(here) if started.is_relative_to(here) else started
    return shlex.quote(str(path))


def _url(settings: Settings, port: int) -> str:
    """URL for a browser on this machine: loopback instead of an address that means "all"."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.hosts[0], settings.hosts[0])
    scheme = "http" if settings.tls_cert is None else "https"
    return f"{scheme}://{f'[{shown}]' if ':' in shown else shown}:{port}"
