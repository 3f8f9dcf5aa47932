"""Which of the servers of a data set a process belongs to."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass

from .settings import Settings

__all__ = ["ServerIdentity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerIdentity:
    """One server, whatever the number of its processes.

    Attributes:
        id: random, of this run of the server.
        name: the setting, or the name of the machine and the port.
    """

    id: str
    name: str

    @classmethod
    def of(cls, settings: Settings, listener: socket.socket | None = None) -> ServerIdentity:
        """Make an identity. `listener`: has the port where the setting lets the system choose."""
        port = settings.port if listener is None else listener.getsockname()[1]
        name = settings.server_name or f"{socket.gethostname()}:{port}"
        return cls(id=secrets.token_hex(8), name=name)
