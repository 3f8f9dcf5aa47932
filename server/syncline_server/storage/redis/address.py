"""Address of a Redis server: where it listens, and how to log in."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["Address"]

_TLS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """The address of one Redis server.

    Attributes:
        path: of a Unix socket; None for TCP.
        host, port: for TCP.
        database: number of the database, from 0.
        username, password: None if Redis requires none.
        tls: None for a connection without TLS.
    """

    path: str | None = None
    host: str = "localhost"
    port: int = 6379
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Address:
        """The address in a `redis://`, `rediss://` or `unix://` URL.

        Its query may hold redis-py's options for TLS: `ssl_ca_certs`, `ssl_certfile`,
        `ssl_keyfile`, `ssl_cert_reqs=none`, `ssl_check_hostname=false`.

        Raises:
            ValueError: the URL is malformed, or has an option that does not exist.
            OSError: a certificate file cannot be read.
        """
        # Imported here: it takes a fifth of the time of a start, and an embedded Redis has no URL.
        from redis.asyncio.connection import parse_url

        parts: dict[str, Any] = dict(parse_url(url))
        _check_parts(url, parts)
        return cls(
            path=parts.get("path"),
            host=parts.get("host", "localhost"),
            port=parts.get("port", 6379),
            database=parts.get("db", 0),
            username=parts.get("username"),
            password=parts.get("password"),
            tls=_tls(parts) if url.startswith("rediss:") else None,
        )

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


def _check_parts(url: str, parts: dict[str, Any]) -> None:
    """Refuse options that `parse_url` ignores: a typing error would go unnoticed."""
    split = urlsplit(url)
    allowed = ({*_TLS} if split.scheme == "rediss" else set()) | {"db"}
    for name in parse_qs(split.query, keep_blank_values=True):
        if name not in allowed:
            raise ValueError(f"the option {name!r} does not exist for {split.scheme}://")
    if split.scheme != "unix" and not re.fullmatch(r"/?|/[0-9]+", split.path):
        raise ValueError("the path must be the number of a database")
    if parts.get("ssl_cert_reqs", "required") not in ("none", "required"):
        raise ValueError("ssl_cert_reqs must be none or required")


def _tls(parts: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=parts.get("ssl_ca_certs"))
    if parts.get("ssl_cert_reqs") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif str(parts.get("ssl_check_hostname", True)).lower() in ("false", "no", "0"):
        context.check_hostname = False
    if certificate := parts.get("ssl_certfile"):
        context.load_cert_chain(certificate, parts.get("ssl_keyfile"))
    return context
