"""Orders of a worker process, which the supervisor sends it, and the first line of its answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import orjson

from syncline_server.config.credentials import Credentials
from syncline_server.config.server_identity import ServerIdentity
from syncline_server.config.settings import Settings

from .tls import KeyPair

__all__ = ["ACCEPTING", "Orders"]

ACCEPTING = b"accepting\n"
"""First line of a worker on stdout, once it accepts connections; heartbeats follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """Configuration of a worker, passed on stdin: secrets must not be in its arguments or its
    environment (`worker_environ`).

    Attributes:
        number: number of the worker, from 0; its replacement has the same number.
        listeners: file descriptors to accept connections on.
        run_dir: directory of the workers' sockets for each other.
        server: the server that all workers are.
        redis_path: socket of the parent's Redis; None if the settings have a URL.
        key_pair: for TLS, as the parent last read it; the files may be unusable by now.
        restarts: how often a worker of that number was replaced, by reason.
    """

    settings: Settings
    credentials: Credentials
    number: int
    listeners: list[int]
    run_dir: str
    server: ServerIdentity
    redis_path: str | None
    key_pair: KeyPair | None = None
    restarts: dict[str, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The orders as one line of JSON."""
        return orjson.dumps(asdict(self), default=str) + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Orders:
        """Parse the result of `encode`."""
        orders = orjson.loads(line)
        key_pair = orders["key_pair"]
        parsed = {
            "settings": Settings.of(orders["settings"]),
            "credentials": Credentials(**orders["credentials"]),
            "server": ServerIdentity(**orders["server"]),
            "key_pair": None if key_pair is None else KeyPair(**key_pair),
        }
        return cls(**{**orders, **parsed})
