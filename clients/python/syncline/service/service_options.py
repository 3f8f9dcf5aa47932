"""Options of a back end's client."""

from __future__ import annotations

from dataclasses import dataclass, fields
from ssl import SSLContext
from typing import TypedDict

from syncline.options import check_positive
from syncline.proxies import ProxyChoice, check_proxy

__all__ = ["OptionValues", "ServiceOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceOptions:
    """Options of `Service` and `AsyncService`; times are in seconds.

    Attributes:
        timeout: for a whole call, with all its repetitions and pauses.
        reply_timeout: for each attempt: to connect, and to wait for the reply.
        retries: how often a request is repeated, at most.
        mutate_timeout: for all attempts of `mutate`, while other writers are first.
        max_connections: connections to the server, at most; further calls wait for one.
        ssl: TLS settings; None uses the default checks. A service with one cannot be pickled.
        proxy: URL of a proxy; True for that of the environment, if any; None for none.

    Raises:
        ValueError: an option is out of range.
    """

    timeout: float = 30
    reply_timeout: float = 10
    retries: int = 10
    mutate_timeout: float = 30
    max_connections: int = 100
    ssl: SSLContext | None = None
    proxy: ProxyChoice = True

    def __post_init__(self) -> None:
        check_proxy(self.proxy)
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "retries":
                if type(value) is not int or value < 0:
                    raise ValueError(f"retries must be a whole number from 0, not {value!r}")
            elif field.name == "max_connections":
                if type(value) is not int or value < 1:
                    raise ValueError(f"max_connections must be a whole number from 1: {value!r}")
            elif field.name == "ssl":
                if not isinstance(value, SSLContext | None):
                    raise ValueError(f"ssl must be an ssl.SSLContext or None, not {value!r}")
            elif field.name != "proxy":
                check_positive(field.name, value)


class OptionValues(TypedDict, total=False):
    """The options of `ServiceOptions`, by name, as `Service` takes them."""

    timeout: float
    reply_timeout: float
    retries: int
    mutate_timeout: float
    max_connections: int
    ssl: SSLContext | None
    proxy: ProxyChoice
