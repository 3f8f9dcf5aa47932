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
        "Addresses to listen on, with commas between them; :: takes IPv4 too where the system can.",
    )
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
    disk_margin: int = _setting(
        33_554_432,
        "Bytes that must be free on the disk of the embedded Redis; below, writes are refused with "
        "20503.",
        least=1_048_576,
        most=2**60,
    )
    disk_interval: float = _setting(
        0.25, "Seconds between looks at that free space.", least=0.05, most=60
    )
    workers: int = _setting(
        1,
        "Processes that serve, on one port and one Redis; one a core is plenty.",
        least=1,
        most=64,
    )
    worker_timeout: float = _setting(
        10.0,
        "Seconds that a worker may say nothing to its supervisor; then it is killed and replaced.",
        least=2,
        most=3600,
    )
    demo: bool = _setting(
        False, "Serve the demo page at /demo; its tokens are given to this machine only."
    )
    demo_networks: str = _setting(
        "",
        "Networks whose callers get the demo's tokens too, with commas between them: those of the "
        "gateway of a container whose port is published on loopback.",
    )
    public_url: str | None = _setting(
        None, "Base of the URLs in replies; without it, what the request was addressed to."
    )
    default_service_sid: str | None = _setting(
        None,
        "SID of the default service (IS…), which answers to it as to `default`; without it, a "
        "random one. Data whose default service has another SID keep it, and answer to both.",
    )
    cors_origins: str = _setting(
        "*", "Origins that browsers may call REST from: '*' or a comma-separated list."
    )
    ws_origins: str | None = _setting(
        None,
        "Origins whose pages may open WebSockets; without it, those of --cors-origins. "
        "Others get a 403.",
    )
    tls_cert: str | None = _setting(
        None, "PEM file of a certificate and its chain: serves https and wss, with --tls-key."
    )
    tls_key: str | None = _setting(None, "PEM file of its private key, which others may not read.")
    hsts: int = _setting(
        0,
        "Seconds for which browsers are told to use HTTPS for this host name alone; 0 tells them "
        "nothing.",
        least=0,
        most=63_072_000,
    )
    trusted_proxies: str = _setting(
        "",
        "Addresses and networks of proxies whose X-Forwarded-For, -Proto and -Host are believed: "
        "a comma-separated list.",
    )
    log_format: str = _setting(
        "text", "One line an event, as text or JSON.", choices=("text", "json")
    )
    log_level: str = _setting(
        "info", "Least level logged.", choices=("debug", "info", "warning", "error")
    )
    otlp_endpoint: str | None = _setting(
        None,
        "Base URL of a collector that traces are sent to, by OTLP over HTTP; without it, none.",
    )
    trace_ratio: float = _setting(
        0.01,
        "Share of requests that are traced, of those whose caller says nothing.",
        least=0,
        most=1,
    )
    trace_limit: int = _setting(
        100,
        "Traces that one process begins per second; what comes beyond is not traced.",
        least=1,
        most=10_000,
    )
    metrics_access: str = _setting(
        "local",
        "Who may read /metrics without credentials: callers on this machine, or nobody (account).",
        choices=("local", "account"),
    )

    audit_rate: int = _setting(
        100,
        "Refusals per second of one process that get an audit line each; the others are counted "
        "in one line.",
        least=1,
        most=10_000,
    )

    data_limit: int = _setting(
        16_384,
        "Bytes in a document, as compact UTF-8 JSON; more is refused with 54006.",
        least=64,
        most=MAX_DATA_LIMIT,
    )
    item_limit: int = _setting(
        16_384,
        "Bytes in an item of a list or map, as compact UTF-8 JSON; more is refused with 54006.",
        least=64,
        most=MAX_DATA_LIMIT,
    )
    message_limit: int = _setting(
        4096,
        "Bytes in a message of a stream, as compact UTF-8 JSON; more is refused with 54006.",
        least=64,
        most=MAX_DATA_LIMIT,
    )
    batch_limit: int = _setting(
        524_288,
        "Bytes in the body of a batch of items; more is refused with 54006.",
        least=16_384,
        most=16_777_216,
    )
    items_limit: int = _setting(
        1_000_000,
        "Items in one list or map; an item beyond is refused with 54006.",
        least=1,
        most=100_000_000,
    )
    collection_bytes: int = _setting(
        1_073_741_824,
        "Bytes of all items of one list or map, with their keys and the tombstones of removed "
        "items; a write beyond is refused with 54006.",
        least=65_536,
        most=2**40,
    )
    tombstones: int = _setting(
        100_000,
        "Removed items that one list or map remembers for clients that come back; a client that "
        "was away longer reads the items again.",
        least=0,
        most=10_000_000,
    )
    tombstone_age: int = _setting(
        604_800,
        "Seconds for which a list or map remembers a removed item.",
        least=1,
        most=31_536_000,
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
    oidc_issuer: str | None = _setting(
        None,
        "OpenID provider whose tokens are taken too: its URL, exactly as in the tokens' iss.",
    )
    oidc_audience: str | None = _setting(
        None, "What the provider's tokens must have as aud, or among it; needed with an issuer."
    )
    oidc_jwks_url: str | None = _setting(
        None, "URL of the provider's keys; without it, what its configuration names."
    )
    oidc_identity_claim: str = _setting("sub", "Claim that is the identity of the bearer.")
    oidc_grants_claim: str | None = _setting(
        None, "Claim that says what the bearer may do; without it, all that any token may."
    )
    oidc_service: str = _setting(
        "default", "Service that the provider's tokens open: a SID or a unique name."
    )
    oidc_service_claim: str | None = _setting(
        None, "Claim that names the service instead; a token without it is refused."
    )
    oidc_key_age: float = _setting(
        900.0, "Seconds for which the provider's keys are good.", least=0.1, most=86_400
    )
    oidc_key_grace: float = _setting(
        21_600.0,
        "Seconds beyond, while the provider is away; then its tokens are refused with 20503.",
        least=0,
        most=604_800,
    )
    oidc_refetch_interval: float = _setting(
        10.0,
        "Seconds between two looks for a key that is not known; meanwhile a 20503.",
        least=0.1,
        most=3600,
    )
    oidc_timeout: float = _setting(
        5.0, "Seconds that the provider may take for an answer.", least=0.1, most=60
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
    keep_alive_timeout: float = _setting(
        75.0,
        "Seconds that an HTTP connection may be idle after a reply; proxies that keep theirs must "
        "give up earlier.",
        least=1,
        most=3600,
    )
    oversized_limit: int = _setting(
        16_777_216,
        "Bytes in a message that is too large for a request: up to so many the server discards it "
        "and refuses that request with 54006; more is closed with 1009.",
        least=0,
        most=1_073_741_824,
    )
    header_timeout: float = _setting(
        10.0,
        "Seconds for the line and headers of a request; then it is refused with 20408.",
        least=0.1,
        most=300,
    )
    body_timeout: float = _setting(
        30.0,
        "Seconds in which less than 16 KiB of a request's body, and not its end, may come; then it "
        "is refused with 20408.",
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
    identity_work: int = _setting(
        500_000,
        "Units of work per second of one identity in one process, each about a microsecond: for "
        "parsing, and for applying patches; more is refused with 20429, or read later.",
        least=10_000,
        most=1_000_000_000,
    )
    max_requests: int = _setting(
        1024,
        "HTTP requests that one process carries out at once; more are refused with 20503.",
        least=1,
        most=100_000,
    )
    max_lists: int = _setting(
        500,
        "Lists of documents that one process reads, or has waiting for that, at once; more are "
        "refused with 54009.",
        least=8,
        most=100_000,
    )
    deflate: bool = _setting(
        False,
        "Compress events of 256 bytes and more for sockets that offer permessage-deflate, once "
        "for all of them.",
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
    max_keys: int = _setting(
        100,
        "API keys that Redis may hold; more are refused with 20409.",
        least=1,
        most=1000,
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
    patch_steps: int = _setting(
        32_768,
        "Steps that the pointers of one patch have in all, eight for each and one for each name in "
        "it; more is refused with 54006.",
        least=1024,
        most=1_000_000,
    )
    delta_rate: int = _setting(
        2_097_152,
        "Bytes of documents per second that a process compares to make deltas; beyond, events are "
        "sent whole.",
        least=0,
        most=2**36,
    )
    delta_memory: int = _setting(
        67_108_864,
        "Bytes of documents that a process keeps to make deltas from; beyond, what changed longest "
        "ago is sent whole once. 0 makes no deltas.",
        least=0,
        most=2**36,
    )
    turn_timeout: float = _setting(
        0.2,
        "Seconds that a turn lasts at most, in which the client of a refused conditional write "
        "may try again without a rival. It lasts four round trips of the client, but 0.05 s.",
        least=0.01,
        most=60,
    )
    turn_wait: float = _setting(
        5.0,
        "Seconds that a refused conditional write waits for its turn at most; then it is answered "
        "anyway.",
        least=0.01,
        most=60,
    )
    operation_memory: int = _setting(
        120, "Seconds for which an operation id is remembered.", least=1, most=86_400
    )
    sweep_interval: float = _setting(
        0.25, "Seconds between looks for expired documents.", least=0.05, most=60
    )
    webhook_networks: str = _setting(
        "",
        "Private networks that webhooks may go to, with commas between them, like 10.1.0.0/16.",
    )
    webhook_timeout: float = _setting(
        10.0,
        "Seconds that the receiver of a webhook may take; then it is sent again.",
        least=0.1,
        most=60,
    )
    webhook_retry_time: float = _setting(
        3600.0,
        "Seconds from an event on for which a webhook that fails is sent again; then it is parked.",
        least=0,
        most=604_800,
    )
    webhook_age: float = _setting(
        86_400.0,
        "Seconds that a webhook may wait for its first attempt; then it is parked.",
        least=1,
        most=2_592_000,
    )
    webhook_queue_limit: int = _setting(
        10_000,
        "Webhooks that may wait in each of the 256 queues of a service; then the oldest give way.",
        least=1,
        most=10_000_000,
    )
    webhook_parked_limit: int = _setting(
        1000,
        "Webhooks of a service that stay parked; then the oldest give way.",
        least=1,
        most=1_000_000,
    )
    webhook_concurrency: int = _setting(
        8, "Webhooks of a service that are sent at once.", least=1, most=256
    )
    redis_timeout: float = _setting(
        2.0,
        "Seconds that Redis may take for an answer; then requests are refused with 20503.",
        least=0.1,
        most=60,
    )
    redis_prefix: str = _setting(
        "",
        "What begins every key and channel in Redis, so that several installations can share one: "
        "letters, digits and . _ - : alone.",
    )
    clock_tolerance: float = _setting(
        3.0,
        "Seconds by which this server's clock may differ from that of Redis; beyond, it is not "
        "ready.",
        least=0.1,
        most=3600,
    )
    durability: str = _setting(
        "acknowledge",
        "What an answered write has survived: Redis has it, the replicas too, or the disk.",
        choices=("acknowledge", "replicated", "fsync"),
    )
    replicas: int = _setting(
        0,
        "Replicas that must have a write with --durability replicated; 0 for all that there are.",
        least=0,
        most=100,
    )
    replica_timeout: float = _setting(
        60.0,
        "Seconds for which a replica that has gone is still waited for, since it may have been "
        "promoted; meanwhile writes are refused with 20503.",
        least=1,
        most=86_400,
    )
    durability_timeout: float = _setting(
        1.0, "Seconds that may take; then the write is refused with 20503.", least=0.01, most=60
    )
    drain_timeout: float = _setting(
        10.0, "Seconds that a stopping server waits for its requests.", least=0, most=300
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
            raise SettingError("--host must be an address, or several with commas between them")
        _ = self.proxies, self.webhook_private_networks, self.demo_callers
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
    def largest_data(self) -> int:
        """Maximum bytes in a document, an item or a message of a stream: the greatest of the
        three limits."""
        return max(self.data_limit, self.item_limit, self.message_limit)

    @property
    def body_limit(self) -> int:
        """Maximum bytes in a request body; more is refused with 54006.

        Derived from `largest_data`: percent-encoding and JSON escapes may take eight bytes for one
        of the data (`%5Cu00e9` for the two bytes of é, and so on).
        """
        return 8 * self.largest_data + 16_384

    @property
    def values_limit(self) -> int:
        """Maximum commas and opening brackets in a JSON text; more is refused with 54006.

        Derived from `largest_data`: no data of an allowed size has more, with some room for the
        members of a patch.
        """
        return jsondata.values_limit(self.largest_data)

    @property
    def batch_values_limit(self) -> int:
        """Maximum commas and opening brackets in a batch of items; more is refused with 54006.

        Derived from `batch_limit`.
        """
        return jsondata.values_limit(self.batch_limit)

    @property
    def socket_message_limit(self) -> int:
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
    def demo_callers(self) -> list[Network]:
        """The networks in `demo_networks`."""
        return networks("demo-networks", self.demo_networks)

    @property
    def webhook_private_networks(self) -> list[Network]:
        """The networks in `webhook_networks`."""
        return networks("webhook-networks", self.webhook_networks)
