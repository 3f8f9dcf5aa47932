"""Options of a client, and the addresses of a server."""

from __future__ import annotations

from dataclasses import dataclass, fields
from ssl import SSLContext
from typing import Literal, get_args
from urllib.parse import urlsplit, urlunsplit

from .proxies import ProxyChoice, check_proxy

__all__ = ["Options", "Server", "TransportChoice", "check_positive"]

TransportChoice = Literal["auto", "websocket", "rest"]

_NO_NUMBERS = ("transport", "ssl", "deltas", "proxy")

_SCHEMES = {"http": False, "https": True, "ws": False, "wss": True}


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `connect`, which documents them; times are in seconds.

    Raises:
        ValueError: an option is out of range.
    """

    transport: TransportChoice
    open_timeout: float
    request_timeout: float
    mutate_timeout: float
    backoff_initial: float
    backoff_limit: float
    websocket_retry: float
    event_queue: int
    ssl: SSLContext | None = None
    deltas: bool = True
    token_timeout: float = 10
    probe_after: float = 4
    probe_timeout: float = 3
    proxy: ProxyChoice = True

    def __post_init__(self) -> None:
        if self.transport not in get_args(TransportChoice):
            raise ValueError(
                f"transport must be one of {', '.join(get_args(TransportChoice))}, "
                f"not {self.transport!r}"
            )
        check_proxy(self.proxy)
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in _NO_NUMBERS:
                check_positive(field.name, value)


def check_positive(name: str, value: object) -> None:
    """Raise `ValueError` if the value of an option is no number greater than 0."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not value > 0:  # type: ignore[operator]
        raise ValueError(f"{name} must be greater than 0, not {value!r}")


@dataclass(frozen=True, slots=True)
class Server:
    """Addresses of a server; `http_url` has no trailing slash."""

    http_url: str
    websocket_url: str

    @classmethod
    def parse(cls, url: str) -> Server:
        """The addresses under a base URL.

        Raises:
            ValueError: the scheme is not `http`, `https`, `ws` or `wss`; the URL has no host; or
                it has a query, a fragment or credentials.
        """
        if not isinstance(url, str):
            raise ValueError(f"the server's URL must be a str, not {type(url).__name__}")
        parts = urlsplit(url)
        # `parts.port` raises ValueError for a port that is not a number from 0 to 65535.
        if parts.scheme not in _SCHEMES or not parts.hostname or parts.port == 0:
            raise ValueError(
                f"the server's URL must be http(s)://host or ws(s)://host, not {url!r}"
            )
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError("the server's URL must have no query, fragment or credentials")
        secure = "s" if _SCHEMES[parts.scheme] else ""
        base = urlunsplit(("", parts.netloc, parts.path.rstrip("/"), "", ""))
        return cls(f"http{secure}:{base}", f"ws{secure}:{base}/v1/ws")
