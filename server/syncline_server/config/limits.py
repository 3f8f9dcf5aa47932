"""Limits: how much a client may use, and how long things may take."""

from __future__ import annotations

from dataclasses import dataclass

from syncline_protocol import jsondata

from .validation import setting

__all__ = ["Limits"]

MAX_DATA_LIMIT = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Base of `Settings`."""

    data_limit: int = setting(
        16_384,
        "Bytes in a document, as compact UTF-8 JSON; more is refused with 54006.",
        least=64,
        most=MAX_DATA_LIMIT,
    )
    url_limit: int = setting(
        8192, "Bytes in a request's URL; more is refused with 414.", least=1024, most=65_536
    )
    header_limit: int = setting(
        32_768,
        "Bytes in a request's line and headers; more is refused with 431.",
        least=4096,
        most=262_144,
    )
    auth_timeout: float = setting(
        10.0,
        "Seconds a socket may take to authenticate; then it is closed with 4004.",
        least=0.1,
        most=120,
    )
    auth_message_limit: int = setting(
        16_384,
        "Bytes in a message of a socket that has not authenticated; more is closed with 1009.",
        least=1024,
        most=262_144,
    )
    keep_alive_timeout: float = setting(
        75.0,
        "Seconds that an HTTP connection may be idle after a reply; proxies that keep theirs must "
        "give up earlier.",
        least=1,
        most=3600,
    )
    oversized_limit: int = setting(
        16_777_216,
        "Bytes in a message that is too large for a request: up to so many the server discards it "
        "and refuses that request with 54006; more is closed with 1009.",
        least=0,
        most=1_073_741_824,
    )
    header_timeout: float = setting(
        10.0,
        "Seconds for the line and headers of a request; then it is refused with 20408.",
        least=0.1,
        most=300,
    )
    body_timeout: float = setting(
        30.0,
        "Seconds in which less than 16 KiB of a request's body, and not its end, may come; then it "
        "is refused with 20408.",
        least=0.1,
        most=600,
    )
    max_connections: int = setting(
        50_000,
        "Sockets and event streams that one process holds; more are refused with 503.",
        least=1,
        most=1_000_000,
    )
    connect_rate: int = setting(
        1000,
        "Sockets and event streams that one process lets in per second; more get a 429.",
        least=1,
        most=100_000,
    )
    connection_rate: int = setting(
        2000,
        "Messages per second that the server reads of one socket; the rest waits.",
        least=1,
        most=1_000_000,
    )
    identity_rate: int = setting(
        10_000,
        "Requests per second of one identity in one process; more are refused with 20429.",
        least=1,
        most=10_000_000,
    )
    identity_work: int = setting(
        500_000,
        "Units of work per second of one identity in one process, each about a microsecond: for "
        "parsing, and for applying patches; more is refused with 20429, or read later.",
        least=10_000,
        most=1_000_000_000,
    )
    max_requests: int = setting(
        1024,
        "HTTP requests that one process carries out at once; more are refused with 20503.",
        least=1,
        most=100_000,
    )
    max_lists: int = setting(
        500,
        "Lists of documents that one process reads, or has waiting for that, at once; more are "
        "refused with 54009.",
        least=8,
        most=100_000,
    )
    ping_interval: float = setting(20.0, "Seconds between WebSocket pings.", least=1, most=300)
    ping_timeout: float = setting(
        20.0, "Seconds a socket may leave a ping unanswered; then it is dropped.", least=1, most=300
    )
    sse_heartbeat: float = setting(
        15.0, "Seconds between comment lines on an event stream.", least=1, most=30
    )
    output_mark: int = setting(
        262_144,
        "Bytes that may wait for one reader; above, it gets each document's newest state only.",
        least=16_384,
        most=67_108_864,
    )
    slow_reader_timeout: float = setting(
        30.0,
        "Seconds a reader may take nothing of what waits; then it is closed with 4003.",
        least=1,
        most=600,
    )
    max_services: int = setting(
        1000,
        "Services that there may be; more are refused with 20409.",
        least=1,
        most=100_000,
    )
    max_keys: int = setting(
        100,
        "API keys that Redis may hold; more are refused with 20409.",
        least=1,
        most=1000,
    )
    max_subscriptions: int = setting(
        2000,
        "Documents that one connection may hold open; more is refused with 54419.",
        least=1,
        most=100_000,
    )
    max_in_flight: int = setting(
        256,
        "Requests of one connection carried out at once; above, the server stops reading from it.",
        least=1,
        most=10_000,
    )
    patch_attempts: int = setting(
        256,
        "Tries of a patch against concurrent writers; then it is refused with 54009.",
        least=1,
        most=1000,
    )
    patch_steps: int = setting(
        32_768,
        "Steps that the pointers of one patch have in all, eight for each and one for each name in "
        "it; more is refused with 54006.",
        least=1024,
        most=1_000_000,
    )
    delta_rate: int = setting(
        2_097_152,
        "Bytes of documents per second that a process compares to make deltas; beyond, events are "
        "sent whole.",
        least=0,
        most=2**36,
    )
    delta_memory: int = setting(
        67_108_864,
        "Bytes of documents that a process keeps to make deltas from; beyond, what changed longest "
        "ago is sent whole once. 0 makes no deltas.",
        least=0,
        most=2**36,
    )
    turn_timeout: float = setting(
        0.2,
        "Seconds that a turn lasts at most, in which the client of a refused conditional write "
        "may try again without a rival. It lasts four round trips of the client, but 0.05 s.",
        least=0.01,
        most=60,
    )
    turn_wait: float = setting(
        5.0,
        "Seconds that a refused conditional write waits for its turn at most; then it is answered "
        "anyway.",
        least=0.01,
        most=60,
    )
    operation_memory: int = setting(
        120, "Seconds for which an operation id is remembered.", least=1, most=86_400
    )
    sweep_interval: float = setting(
        0.25, "Seconds between looks for expired documents.", least=0.05, most=60
    )

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
