"""Every setting of a server, with its default, unit, range and the effect of its limit.

Each field is also the option `--field-name` of `syncline serve` and the environment variable
`SYNCLINE_FIELD_NAME`; the command line is generated from this file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from syncline_protocol import jsondata

from .networks import Network
from .validation import (
    SettingError,
    check_oidc,
    check_origins,
    check_range,
    check_service_sid,
    check_url,
    elements,
    networks,
)

__all__ = ["Settings"]

REDIS_SCHEMES = (
    "redis",
    "rediss",
    "unix",
    "redis+cluster",
    "rediss+cluster",
    "redis+sentinel",
    "rediss+sentinel",
)

_PREFIX = re.compile(r"[A-Za-z0-9._:-]{0,64}", re.ASCII)

MAX_DATA_LIMIT = 1024 * 1024


def _setting(default: Any, help: str, **bounds: Any) -> Any:
    """A field of `Settings`; `bounds`: `least` and `most`, inclusive, or `choices`."""
    return field(default=default, metadata={"help": help, **bounds})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a server. The constructor checks all values and raises `SettingError`."""

    host: str = _setting(
        "127.0.0.1",
        "Addresses to listen on, separated by commas; :: also accepts IPv4 where the system can.",
    )
    port: int = _setting(8040, "Port to listen on; 0 chooses a free port.", least=0, most=65535)
    data_dir: Path = _setting(
        Path("syncline-data"), "Directory for the credentials and the data of the embedded Redis."
    )
    redis_url: str | None = _setting(
        None,
        "URL of Redis: redis://, rediss:// or unix://; redis+cluster://a,b,c or "
        "redis+sentinel://a,b,c/name. Without it, the server starts an embedded Redis.",
    )
    appendfsync: str = _setting(
        "always",
        "When the embedded Redis syncs its file to disk: at each group of commits, each second, "
        "or never.",
        choices=("always", "everysec", "no"),
    )
    disk_margin: int = _setting(
        33_554_432,
        "Bytes that must be free on the disk of the embedded Redis; with less, writes are refused "
        "with 20503.",
        least=1_048_576,
        most=2**60,
    )
    disk_interval: float = _setting(
        0.25, "Seconds between two checks of that free space.", least=0.05, most=60
    )
    workers: int = _setting(
        1,
        "Processes that serve, on one port and one Redis; one per CPU core is enough.",
        least=1,
        most=64,
    )
    worker_timeout: float = _setting(
        10.0,
        "Maximum seconds without a heartbeat from a worker; then the supervisor kills and replaces "
        "it.",
        least=2,
        most=3600,
    )
    demo: bool = _setting(
        False, "Serve the demo page at /demo; only clients on this machine get its tokens."
    )
    demo_networks: str = _setting(
        "",
        "Networks whose clients also get the demo's tokens, separated by commas; for the gateway "
        "of a container whose port is published on loopback.",
    )
    public_url: str | None = _setting(
        None, "Base of the URLs in replies; without it, the address that the request was sent to."
    )
    default_service_sid: str | None = _setting(
        None,
        "SID of the default service (IS…), an alias of `default`; without it, a random one. If the "
        "data in Redis already have a default service, its SID stays, and both SIDs name it.",
    )
    cors_origins: str = _setting(
        "*", "Origins whose pages may call REST: '*' or a comma-separated list."
    )
    ws_origins: str | None = _setting(
        None,
        "Origins whose pages may open WebSockets; without it, those of --cors-origins. "
        "Other origins get a 403.",
    )
    tls_cert: str | None = _setting(
        None,
        "PEM file of a certificate and its chain; with --tls-key, the server speaks https and wss.",
    )
    tls_key: str | None = _setting(
        None, "PEM file of the private key; only its owner may be able to read it."
    )
    hsts: int = _setting(
        0,
        "Seconds for which browsers must use HTTPS for this host name (HSTS); 0 sends no HSTS "
        "header.",
        least=0,
        most=63_072_000,
    )
    trusted_proxies: str = _setting(
        "",
        "Addresses and networks of proxies whose X-Forwarded-For, -Proto and -Host are trusted, "
        "separated by commas.",
    )
    log_format: str = _setting("text", "Format of log lines.", choices=("text", "json"))
    log_level: str = _setting(
        "info", "Minimum level to log.", choices=("debug", "info", "warning", "error")
    )
    otlp_endpoint: str | None = _setting(
        None,
        "Base URL of a collector to send traces to, by OTLP over HTTP; without it, none is sent.",
    )
    trace_ratio: float = _setting(
        0.01,
        "Share of requests to trace, where the request itself does not say.",
        least=0,
        most=1,
    )
    trace_limit: int = _setting(
        100,
        "Maximum traces that one process starts per second; further requests are not traced.",
        least=1,
        most=10_000,
    )
    metrics_access: str = _setting(
        "local",
        "Who may read /metrics without credentials: clients on this machine, or nobody (account).",
        choices=("local", "account"),
    )

    audit_rate: int = _setting(
        100,
        "Maximum refusals per second of one process that get an audit line each; one more line "
        "counts the others.",
        least=1,
        most=10_000,
    )

    data_limit: int = _setting(
        16_384,
        "Maximum bytes in a document, as compact UTF-8 JSON; more is refused with 54006.",
        least=64,
        most=MAX_DATA_LIMIT,
    )
    url_limit: int = _setting(
        8192, "Maximum bytes in a request's URL; more is refused with 414.", least=1024, most=65_536
    )
    header_limit: int = _setting(
        32_768,
        "Maximum bytes in a request's line and headers; more is refused with 431.",
        least=4096,
        most=262_144,
    )
    token_leeway: int = _setting(
        10, "Maximum difference of clocks in seconds when a token is checked.", least=0, most=300
    )
    oidc_issuer: str | None = _setting(
        None,
        "URL of an OpenID provider whose tokens are accepted too, exactly as in their iss claim.",
    )
    oidc_audience: str | None = _setting(
        None, "Audience that the provider's tokens must name in aud; required with --oidc-issuer."
    )
    oidc_jwks_url: str | None = _setting(
        None, "URL of the provider's keys; without it, the URL in the provider's configuration."
    )
    oidc_identity_claim: str = _setting("sub", "Claim that holds the identity of the token holder.")
    oidc_grants_claim: str | None = _setting(
        None,
        "Claim that lists what the token holder may do; without it, all that any token allows.",
    )
    oidc_service: str = _setting(
        "default", "Service that the provider's tokens are for: a SID or a unique name."
    )
    oidc_service_claim: str | None = _setting(
        None, "Claim that names the service instead; a token without this claim is refused."
    )
    oidc_key_age: float = _setting(
        900.0, "Seconds for which fetched keys of the provider are valid.", least=0.1, most=86_400
    )
    oidc_key_grace: float = _setting(
        21_600.0,
        "Seconds for which the keys stay valid in addition while the provider cannot be reached; "
        "then its tokens are refused with 20503.",
        least=0,
        most=604_800,
    )
    oidc_refetch_interval: float = _setting(
        10.0,
        "Minimum seconds between two fetches because of an unknown key; meanwhile such tokens are "
        "refused with 20503.",
        least=0.1,
        most=3600,
    )
    oidc_timeout: float = _setting(
        5.0, "Maximum seconds to wait for an answer of the provider.", least=0.1, most=60
    )
    auth_timeout: float = _setting(
        10.0,
        "Maximum seconds until a socket authenticates; then it is closed with 4004.",
        least=0.1,
        most=120,
    )
    auth_message_limit: int = _setting(
        16_384,
        "Maximum bytes in a message of a socket that has not authenticated; more closes it with "
        "1009.",
        least=1024,
        most=262_144,
    )
    keep_alive_timeout: float = _setting(
        75.0,
        "Maximum seconds that an HTTP connection may be idle after a reply; set the idle timeout "
        "of a proxy in front lower.",
        least=1,
        most=3600,
    )
    oversized_limit: int = _setting(
        16_777_216,
        "Maximum bytes in a WebSocket message that the server reads only to discard it and refuse "
        "the request with 54006; more closes the socket with 1009.",
        least=0,
        most=1_073_741_824,
    )
    header_timeout: float = _setting(
        10.0,
        "Maximum seconds for the line and headers of a request; then it is refused with 20408.",
        least=0.1,
        most=300,
    )
    body_timeout: float = _setting(
        30.0,
        "Seconds in which 16 KiB of a request's body, or its end, must arrive; else the request is "
        "refused with 20408.",
        least=0.1,
        most=600,
    )
    max_connections: int = _setting(
        50_000,
        "Maximum sockets and event streams in one process; more are refused with 503.",
        least=1,
        most=1_000_000,
    )
    connect_rate: int = _setting(
        1000,
        "Maximum sockets and event streams that one process accepts per second; more get a 429.",
        least=1,
        most=100_000,
    )
    connection_rate: int = _setting(
        2000,
        "Maximum messages per second that the server reads from one socket; the rest waits.",
        least=1,
        most=1_000_000,
    )
    identity_rate: int = _setting(
        10_000,
        "Maximum requests per second of one identity in one process; more are refused with 20429.",
        least=1,
        most=10_000_000,
    )
    identity_work: int = _setting(
        500_000,
        "Maximum units of work per second of one identity in one process, each about a "
        "microsecond, for parsing and for patches; more is refused with 20429, or read later.",
        least=10_000,
        most=1_000_000_000,
    )
    max_requests: int = _setting(
        1024,
        "Maximum HTTP requests that one process runs at once; more are refused with 20503.",
        least=1,
        most=100_000,
    )
    max_lists: int = _setting(
        500,
        "Maximum listings of documents that one process runs or queues at once; more are refused "
        "with 54009.",
        least=8,
        most=100_000,
    )
    deflate: bool = _setting(
        False,
        "Compress events of 256 bytes or more for sockets that offer permessage-deflate, once for "
        "all of them.",
    )
    ping_interval: float = _setting(20.0, "Seconds between WebSocket pings.", least=1, most=300)
    ping_timeout: float = _setting(
        20.0,
        "Maximum seconds until a socket answers a ping; then it is dropped.",
        least=1,
        most=300,
    )
    sse_heartbeat: float = _setting(
        15.0, "Seconds between comment lines on an event stream.", least=1, most=30
    )
    output_mark: int = _setting(
        262_144,
        "Maximum bytes that wait for one reader; above, it gets only the newest state of each "
        "document.",
        least=16_384,
        most=67_108_864,
    )
    slow_reader_timeout: float = _setting(
        30.0,
        "Maximum seconds in which a reader reads nothing of what waits; then it is closed with "
        "4003.",
        least=1,
        most=600,
    )
    max_services: int = _setting(
        1000,
        "Maximum services; more are refused with 20409.",
        least=1,
        most=100_000,
    )
    max_keys: int = _setting(
        100,
        "Maximum API keys in Redis; more are refused with 20409.",
        least=1,
        most=1000,
    )
    max_subscriptions: int = _setting(
        2000,
        "Maximum open documents of one connection; more are refused with 54419.",
        least=1,
        most=100_000,
    )
    max_in_flight: int = _setting(
        256,
        "Maximum requests of one connection that run at once; above, the server stops reading from "
        "it.",
        least=1,
        most=10_000,
    )
    patch_attempts: int = _setting(
        256,
        "Maximum attempts of a patch against concurrent writers; then it is refused with 54009.",
        least=1,
        most=1000,
    )
    patch_steps: int = _setting(
        32_768,
        "Maximum steps of all pointers of one patch, eight for each pointer and one for each name "
        "in it; more are refused with 54006.",
        least=1024,
        most=1_000_000,
    )
    delta_rate: int = _setting(
        2_097_152,
        "Maximum bytes of documents per second that a process compares to make deltas; above, "
        "events carry the full data.",
        least=0,
        most=2**36,
    )
    delta_memory: int = _setting(
        67_108_864,
        "Maximum bytes of documents that a process keeps to make deltas; above, the next event of "
        "the documents that changed longest ago carries the full data. 0 turns deltas off.",
        least=0,
        most=2**36,
    )
    turn_timeout: float = _setting(
        0.2,
        "Maximum seconds of a turn, in which the client of a refused conditional write may try "
        "again without a rival. A turn lasts four round trips of the client, at least 0.05 s.",
        least=0.01,
        most=60,
    )
    turn_wait: float = _setting(
        5.0,
        "Maximum seconds that a refused conditional write waits for its turn; then the server "
        "answers it without one.",
        least=0.01,
        most=60,
    )
    operation_memory: int = _setting(
        120, "Seconds for which the server remembers an operation id.", least=1, most=86_400
    )
    sweep_interval: float = _setting(
        0.25, "Seconds between two searches for expired documents.", least=0.05, most=60
    )
    webhook_networks: str = _setting(
        "",
        "Private networks that webhooks may be sent to, such as 10.1.0.0/16, separated by commas.",
    )
    webhook_timeout: float = _setting(
        10.0,
        "Maximum seconds to wait for the receiver of a webhook; then the webhook is sent again.",
        least=0.1,
        most=60,
    )
    webhook_retry_time: float = _setting(
        3600.0,
        "Seconds after an event in which a failed webhook is sent again; then it is parked.",
        least=0,
        most=604_800,
    )
    webhook_age: float = _setting(
        86_400.0,
        "Maximum seconds that a webhook waits for its first attempt; then it is parked.",
        least=1,
        most=2_592_000,
    )
    webhook_queue_limit: int = _setting(
        10_000,
        "Maximum webhooks in each of the 256 queues of a service; above, the oldest are dropped.",
        least=1,
        most=10_000_000,
    )
    webhook_parked_limit: int = _setting(
        1000,
        "Maximum parked webhooks of a service; above, the oldest are dropped.",
        least=1,
        most=1_000_000,
    )
    webhook_concurrency: int = _setting(
        8, "Maximum webhooks of a service that are sent at once.", least=1, most=256
    )
    redis_timeout: float = _setting(
        2.0,
        "Maximum seconds to wait for an answer of Redis; then requests are refused with 20503.",
        least=0.1,
        most=60,
    )
    redis_prefix: str = _setting(
        "",
        "Prefix of every key and channel in Redis, so that several installations can share one: "
        "letters, digits and . _ - : only.",
    )
    clock_tolerance: float = _setting(
        3.0,
        "Maximum difference in seconds between this server's clock and that of Redis; above, the "
        "server is not ready.",
        least=0.1,
        most=3600,
    )
    durability: str = _setting(
        "acknowledge",
        "What the server waits for before it answers a write: Redis, its replicas, or its disk.",
        choices=("acknowledge", "replicated", "fsync"),
    )
    replicas: int = _setting(
        0,
        "Replicas that must have a write with --durability replicated; 0 means all.",
        least=0,
        most=100,
    )
    replica_timeout: float = _setting(
        60.0,
        "Seconds for which a replica that disconnected still counts, because it may have been "
        "promoted; meanwhile writes are refused with 20503.",
        least=1,
        most=86_400,
    )
    durability_timeout: float = _setting(
        1.0,
        "Maximum seconds to wait for that; then the write is refused with 20503.",
        least=0.01,
        most=60,
    )
    drain_timeout: float = _setting(
        10.0,
        "Maximum seconds that a stopping server waits for its requests to end.",
        least=0,
        most=300,
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            check_range(each.name, getattr(self, each.name), each.metadata)
        if self.public_url is not None:
            check_url("public_url", self.public_url, ("http", "https"))
        if self.default_service_sid is not None:
            check_service_sid("--default-service-sid", self.default_service_sid)
        if self.redis_url is not None:
            check_url("redis_url", self.redis_url, REDIS_SCHEMES)
        if self.otlp_endpoint is not None:
            check_url("otlp_endpoint", self.otlp_endpoint, ("http", "https"))
        if self.public_url is not None and set(self.public_url) & set("?#"):
            raise SettingError("--public-url must have no query and no fragment")
        if not _PREFIX.fullmatch(self.redis_prefix):
            raise SettingError(
                "--redis-prefix must be up to 64 letters, digits and . _ - : (no braces)"
            )
        for name, origins in (("cors", self.origins), ("ws", self.socket_origins)):
            check_origins(f"--{name}-origins", origins)
        if not self.hosts:
            raise SettingError("--host must be one address, or several separated by commas")
        _ = self.proxies, self.webhook_private_networks, self.demo_client_networks
        check_oidc(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Settings from JSON values, as `asdict` gives them."""
        return cls(**{**values, "data_dir": Path(values["data_dir"])})

    @property
    def hosts(self) -> list[str]:
        """The addresses in `host`."""
        return elements(self.host)

    @property
    def body_limit(self) -> int:
        """Maximum bytes in a request body; more is refused with 54006.

        Derived from `data_limit`: percent-encoding and JSON escapes may take eight bytes for one
        of the document (`%5Cu00e9` for the two bytes of é, and so on).
        """
        return 8 * self.data_limit + 16_384

    @property
    def values_limit(self) -> int:
        """Maximum commas and opening brackets in a JSON text; more is refused with 54006.

        Derived from `data_limit`: no document of an allowed size has more, with some room for the
        members of a patch.
        """
        return jsondata.values_limit(self.data_limit)

    @property
    def message_limit(self) -> int:
        """Maximum bytes in a WebSocket message; more is refused with 54006, up to
        `oversized_limit`.

        Derived: one message may carry a document, or a thousand subscriptions of a vendor's SDK.
        """
        return max(self.body_limit, 262_144)

    @property
    def transport_limit(self) -> int:
        """Maximum connections of any kind in one process; more are refused with 503.

        Derived: `max_connections` sockets and event streams, and `max_requests` connections with a
        running request.
        """
        return self.max_connections + self.max_requests

    @property
    def origins(self) -> list[str]:
        """The origins in `cors_origins`."""
        return elements(self.cors_origins)

    @property
    def socket_origins(self) -> list[str]:
        """The origins in `ws_origins`, or `origins` if it is None."""
        return self.origins if self.ws_origins is None else elements(self.ws_origins)

    @property
    def proxies(self) -> list[Network]:
        """The networks in `trusted_proxies`."""
        return networks("trusted-proxies", self.trusted_proxies)

    @property
    def demo_client_networks(self) -> list[Network]:
        """The networks in `demo_networks`."""
        return networks("demo-networks", self.demo_networks)

    @property
    def webhook_private_networks(self) -> list[Network]:
        """The networks in `webhook_networks`."""
        return networks("webhook-networks", self.webhook_networks)
