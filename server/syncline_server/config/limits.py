"""Limits: how much a client may use, and how long things may take."""

from __future__ import annotations

from dataclasses import dataclass

from syncline_protocol import jsondata

from .collection_limits import CollectionLimits
from .validation import setting

__all__ = ["Limits"]

MAX_DATA_LIMIT = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits(CollectionLimits):
    """Base of `Settings`."""

    data_limit: int = setting(
        16_384,
        "Maximum bytes in a document, as compact UTF-8 JSON; more is refused with 54006.",
        least=64,
        most=MAX_DATA_LIMIT,
    )
    url_limit: int = setting(
        8192, "Maximum bytes in a request's URL; more is refused with 414.", least=1024, most=65_536
    )
    header_limit: int = setting(
        32_768,
        "Maximum bytes in a request's line and headers; more is refused with 431.",
        least=4096,
        most=262_144,
    )
    auth_timeout: float = setting(
        10.0,
        "Maximum seconds until a socket authenticates; then it is closed with 4004.",
        least=0.1,
        most=120,
    )
    login_failures: int = setting(
        300,
        "Maximum failed Basic logins of one address in a minute, in one process; then logins that "
        "have not succeeded from there before are refused with 20429.",
        least=1,
        most=1_000_000,
    )
    auth_message_limit: int = setting(
        16_384,
        "Maximum bytes in a message of a socket that has not authenticated; more closes it with"
        " 1009.",
        least=1024,
        most=262_144,
    )
    keep_alive_timeout: float = setting(
        75.0,
        "Maximum seconds that an HTTP connection may be idle after a reply; set the idle "
        "timeout of a proxy in front lower.",
        least=1,
        most=3600,
    )
    oversized_limit: int = setting(
        16_777_216,
        "Maximum bytes in a WebSocket message that the server reads only to discard it and "
        "refuse the request with 54006; more closes the socket with 1009.",
        least=0,
        most=1_073_741_824,
    )
    header_timeout: float = setting(
        10.0,
        "Maximum seconds for the line and headers of a request; then it is refused with 20408.",
        least=0.1,
        most=300,
    )
    body_timeout: float = setting(
        30.0,
        "Seconds in which 16 KiB of a request's body, or its end, must arrive; else the request"
        " is refused with 20408.",
        least=0.1,
        most=600,
    )
    max_connections: int = setting(
        50_000,
        "Maximum sockets and event streams in one process; more are refused with 503.",
        least=1,
        most=1_000_000,
    )
    connect_rate: int = setting(
        1000,
        "Maximum sockets and event streams that one process accepts per second; more get a 429.",
        least=1,
        most=100_000,
    )
    connection_rate: int = setting(
        2000,
        "Maximum messages per second that the server reads from one socket; the rest waits.",
        least=1,
        most=1_000_000,
    )
    identity_rate: int = setting(
        10_000,
        "Maximum requests per second of one identity in one process; more are refused with 20429.",
        least=1,
        most=10_000_000,
    )
    identity_work: int = setting(
        500_000,
        "Maximum units of work per second of one identity in one process, each about a "
        "microsecond, for parsing and for patches; more is refused with 20429, or read later.",
        least=10_000,
        most=1_000_000_000,
    )
    max_requests: int = setting(
        1024,
        "Maximum HTTP requests that one process runs at once; more are refused with 20503.",
        least=1,
        most=100_000,
    )
    max_lists: int = setting(
        500,
        "Maximum listings of documents that one process runs or queues at once; more are "
        "refused with 54009.",
        least=8,
        most=100_000,
    )
    ping_interval: float = setting(20.0, "Seconds between WebSocket pings.", least=1, most=300)
    ping_timeout: float = setting(
        20.0,
        "Maximum seconds until a socket answers a ping; then it is dropped.",
        least=1,
        most=300,
    )
    sse_heartbeat: float = setting(
        15.0, "Seconds between comment lines on an event stream.", least=1, most=30
    )
    output_mark: int = setting(
        262_144,
        "Maximum bytes that wait for one reader; above, it gets only the newest state of each "
        "document and item.",
        least=16_384,
        most=67_108_864,
    )
    slow_reader_timeout: float = setting(
        30.0,
        "Maximum seconds in which a reader reads nothing of what waits; then it is closed with "
        "4003.",
        least=1,
        most=600,
    )
    max_services: int = setting(
        1000,
        "Maximum services; more are refused with 20409.",
        least=1,
        most=100_000,
    )
    max_keys: int = setting(
        100,
        "Maximum API keys in Redis; more are refused with 20409.",
        least=1,
        most=1000,
    )
    max_tails: int = setting(
        4,
        "Maximum tails of all events in one process (GET /v1/Events); more are refused with 54009.",
        least=0,
        most=100,
    )
    tail_rate: int = setting(
        200,
        "Maximum events per second of one tail; further ones are only counted.",
        least=1,
        most=10_000,
    )
    max_subscriptions: int = setting(
        2000,
        "Maximum open objects of one connection; more are refused with 54419.",
        least=1,
        most=100_000,
    )
    max_in_flight: int = setting(
        256,
        "Maximum requests of one connection that run at once; above, the server stops reading "
        "from it.",
        least=1,
        most=10_000,
    )
    patch_attempts: int = setting(
        256,
        "Maximum attempts of a patch against concurrent writers; then it is refused with 54009.",
        least=1,
        most=1000,
    )
    patch_steps: int = setting(
        32_768,
        "Maximum steps of all pointers of one patch, eight for each pointer and one for each "
        "name in it; more are refused with 54006.",
        least=1024,
        most=1_000_000,
    )
    delta_rate: int = setting(
        2_097_152,
        "Maximum bytes of data per second that a process compares to make deltas; above, "
        "events carry the full data.",
        least=0,
        most=2**36,
    )
    delta_memory: int = setting(
        67_108_864,
        "Maximum bytes of data that a process keeps to make deltas; above, the next change of "
        "the documents and items that changed longest ago comes whole. 0 turns deltas off.",
        least=0,
        most=2**36,
    )
    turn_timeout: float = setting(
        0.2,
        "Maximum seconds of a turn, in which the client of a refused conditional write may try "
        "again without a rival. A turn lasts four round trips of the client, at least 0.05 s.",
        least=0.01,
        most=60,
    )
    turn_wait: float = setting(
        5.0,
        "Maximum seconds that a refused conditional write waits for its turn; then the server "
        "answers it without one.",
        least=0.01,
        most=60,
    )
    operation_memory: int = setting(
        120, "Seconds for which the server remembers an operation id.", least=1, most=86_400
    )
    sweep_interval: float = setting(
        0.25, "Seconds between two searches for expired documents.", least=0.05, most=60
    )

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

        Derived from `batch_limit`, but an eighth of it: parsing half a MiB of empty arrays would
        block the event loop for a tenth of a second.
        """
        return jsondata.values_limit(self.batch_limit // 8)

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
