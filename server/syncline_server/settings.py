"""Every setting of a server: its default, its unit, its range, and what happens at the limit.

A field is at once the option `--field-name` of `syncline serve` and the environment variable
`SYNCLINE_FIELD_NAME`; the command line is made from this file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ["SettingError", "Settings"]

REDIS_SCHEMES = (
    "redis",
    "rediss",
    "unix",
    "redis+cluster",
    "rediss+cluster",
    "redis+sentinel",
    "rediss+sentinel",
)

_ORIGIN = re.compile(r"https?://[^/?#@\s]+")

MAX_DATA_LIMIT = 1024 * 1024


class SettingError(ValueError):
    """A setting that cannot be used; the text is one line that says what to change."""


def _setting(default: Any, help: str, **bounds: Any) -> Any:
    """A field; `bounds` are `least` and `most`, inclusive, or `choices`."""
    return field(default=default, metadata={"help": help, **bounds})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All fields are keyword-only; constructing checks them and raises `SettingError`."""

    host: str = _setting("127.0.0.1", "Address to listen on.")
    port: int = _setting(8040, "Port to listen on; 0 takes a free one.", least=0, most=65535)
    data_dir: Path = _setting(
        Path("syncline-data"), "Where credentials and the embedded Redis live."
    )
    redis_url: str | None = _setting(
        None,
        "Redis to use: redis://, rediss:// or unix://; redis+cluster://a,b,c or "
        "redis+sentinel://a,b,c/name. Without it, an embedded one is started.",
    )
    appendfsync: str = _setting(
        "always",
        "When the embedded Redis syncs its file: at each group of commits, each second, or never.",
        choices=("always", "everysec", "no"),
    )
    workers: int = _setting(
        1,
        "Processes that serve, on one port and one Redis; one a core is plenty.",
        least=1,
        most=64,
    )
    demo: bool = _setting(
        False, "Serve the demo page at /demo; its tokens are given to loopback only."
    )
    public_url: str | None = _setting(
        None, "Base of the URLs in replies; without it, what the request was addressed to."
    )
    cors_origins: str = _setting(
        "*", "Origins that browsers may call REST from: '*' or a comma-separated list."
    )
    log_format: str = _setting(
        "text", "One line an event, as text or JSON.", choices=("text", "json")
    )
    log_level: str = _setting(
        "info", "Least level logged.", choices=("debug", "info", "warning", "error")
    )

    data_limit: int = _setting(
        16_384,
        "Bytes in a document, as compact UTF-8 JSON; more is refused with 54006.",
        least=64,
        most=MAX_DATA_LIMIT,
    )
    url_limit: int = _setting(
        8192, "Bytes in a request's URL; more is refused with 414.", least=1024, most=65_536
    )
    header_limit: int = _setting(
        32_768,
        "Bytes in a request's line and headers; more is refused with 431.",
        least=4096,
        most=262_144,
    )
    token_leeway: int = _setting(
        10, "Seconds by which clocks may differ when a token is checked.", least=0, most=300
    )
    auth_timeout: float = _setting(
        10.0,
        "Seconds a socket may take to authenticate; then it is closed with 4004.",
        least=0.1,
        most=120,
    )
    auth_message_limit: int = _setting(
        16_384,
        "Bytes in a message of a socket that has not authenticated; more is closed with 1009.",
        least=1024,
        most=262_144,
    )
    header_timeout: float = _setting(
        10.0,
        "Seconds for the line and headers of a request; then it is refused with 20408.",
        least=0.1,
        most=300,
    )
    body_timeout: float = _setting(
        30.0,
        "Seconds in which nothing of a request's body may come; then it is refused with 20408.",
        least=0.1,
        most=600,
    )
    max_connections: int = _setting(
        50_000,
        "Sockets and event streams that one process holds; more are refused with 503.",
        least=1,
        most=1_000_000,
    )
    connect_rate: int = _setting(
        1000,
        "Sockets and event streams that one process lets in per second; more get a 429.",
        least=1,
        most=100_000,
    )
    connection_rate: int = _setting(
        2000,
        "Messages per second that the server reads of one socket; the rest waits.",
        least=1,
        most=1_000_000,
    )
    identity_rate: int = _setting(
        10_000,
        "Requests per second of one identity in one process; more are refused with 20429.",
        least=1,
        most=10_000_000,
    )
    max_requests: int = _setting(
        1024,
        "HTTP requests that one process carries out at once; more are refused with 20503.",
        least=1,
        most=100_000,
    )
    ping_interval: float = _setting(20.0, "Seconds between WebSocket pings.", least=1, most=300)
    ping_timeout: float = _setting(
        20.0, "Seconds a socket may leave a ping unanswered; then it is dropped.", least=1, most=300
    )
    sse_heartbeat: float = _setting(
        15.0, "Seconds between comment lines on an event stream.", least=1, most=30
    )
    output_mark: int = _setting(
        262_144,
        "Bytes that may wait for one reader; above, it gets each document's newest state only.",
        least=16_384,
        most=67_108_864,
    )
    slow_reader_timeout: float = _setting(
        30.0,
        "Seconds a reader may take nothing of what waits; then it is closed with 4003.",
        least=1,
        most=600,
    )
    max_services: int = _setting(
        1000,
        "Services that there may be; more are refused with 20409.",
        least=1,
        most=100_000,
    )
    max_subscriptions: int = _setting(
        2000,
        "Documents that one connection may hold open; more is refused with 54419.",
        least=1,
        most=100_000,
    )
    max_in_flight: int = _setting(
        256,
        "Requests of one connection carried out at once; above, the server stops reading from it.",
        least=1,
        most=10_000,
    )
    patch_attempts: int = _setting(
        256,
        "Tries of a patch against concurrent writers; then it is refused with 54009.",
        least=1,
        most=1000,
    )
    operation_memory: int = _setting(
        120, "Seconds for which an operation id is remembered.", least=1, most=86_400
    )
    sweep_interval: float = _setting(
        0.25, "Seconds between looks for expired documents.", least=0.05, most=60
    )
    redis_timeout: float = _setting(
        2.0,
        "Seconds that Redis may take for an answer; then requests are refused with 20503.",
        least=0.1,
        most=60,
    )
    durability: str = _setting(
        "acknowledge",
        "What a write has survived when it is answered: Redis has it, a replica too, or the disk.",
        choices=("acknowledge", "replicated", "fsync"),
    )
    durability_timeout: float = _setting(
        1.0, "Seconds that may take; then the write is refused with 20503.", least=0.01, most=60
    )
    drain_timeout: float = _setting(
        10.0, "Seconds that a stopping server waits for its requests.", least=0, most=300
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            _check_range(each.name, getattr(self, each.name), each.metadata)
        if self.public_url is not None:
            _check_url("public_url", self.public_url, ("http", "https"))
        if self.redis_url is not None:
            _check_url("redis_url", self.redis_url, REDIS_SCHEMES)
        if self.public_url is not None and set(self.public_url) & set("?#"):
            raise SettingError("--public-url must have no query and no fragment")
        for origin in self.origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise SettingError(
                    f"--cors-origins must be '*' or origins like https://app.example.com, "
                    f"not {origin!r}"
                )

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from JSON values, as `asdict` gives them."""
        return cls(**{**values, "data_dir": Path(values["data_dir"])})

    @property
    def body_limit(self) -> int:
        """Bytes in a request body; more is refused with 54006.

        Derived: a form may take eight bytes for one of the document (`%5Cu00e9` for the two bytes
        of é, and so on).
        """
        return 8 * self.data_limit + 16_384

    @property
    def message_limit(self) -> int:
        """Bytes in a WebSocket message; more is closed with 1009.

        Derived: one message may hold a document, or a thousand subscriptions of a vendor's SDK.
        """
        return max(self.body_limit, 262_144)

    @property
    def transport_limit(self) -> int:
        """Connections of any kind that one process accepts; more are refused with 503.

        Derived: those that stay, and as many as may have a request carried out.
        """
        return self.max_connections + self.max_requests

    @property
    def origins(self) -> list[str]:
        """`cors_origins` taken apart."""
        return [origin.strip() for origin in self.cors_origins.split(",") if origin.strip()]


def _check_range(name: str, value: Any, bounds: Any) -> None:
    option = f"--{name.replace('_', '-')}"
    choices = bounds.get("choices")
    if choices is not None and value not in choices:
        raise SettingError(f"{option} must be one of {', '.join(choices)}, not {value!r}")
    least, most = bounds.get("least"), bounds.get("most")
    if least is not None and not least <= value <= most:
        raise SettingError(f"{option} must be from {least} to {most}, not {value}")


def _check_url(name: str, url: str, schemes: tuple[str, ...]) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.netloc or parts.path)
        if "," not in parts.netloc:
            _ = parts.port  # raises where the port is no number
    except ValueError:
        usable = False
    if not usable:
        allowed = " or ".join(f"{scheme}://" for scheme in schemes)
        # The URL may hold a password, so it is not repeated.
        raise SettingError(f"--{name.replace('_', '-')} must be a URL that begins with {allowed}")
