"""Statuses in the vendor's codes: why a packet is refused, or a connection is closed."""

from __future__ import annotations

import random
from http import HTTPStatus

import orjson

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.twilsock import Status

__all__ = [
    "GOING_AWAY",
    "TOO_LATE",
    "TOO_MANY",
    "backoff",
    "not_acceptable",
    "refused",
    "too_large",
]

# Without an error code, because with one the Kotlin and iOS SDK would not reconnect.
GOING_AWAY = Status(308, "PERMANENT_REDIRECT", None, "The server is shutting down")

TOO_LATE = Status(408, "REQUEST_TIMEOUT", None, "There was no init in time")

TOO_MANY = Status(429, "TOO_MANY_REQUESTS", 51202, "Too many requests")

BACKOFF_LEAST, BACKOFF_SPAN = 500, 3000
"""Milliseconds: the shortest wait of a client before it reconnects, and the span over which the
reconnections are spread."""


def not_acceptable(reason: str) -> Status:
    """The status for a packet that this server does not understand."""
    return Status(406, "NOT_ACCEPTABLE_MESSAGE", 51214, reason)


def refused(refusal: Refusal) -> Status:
    """The status for a token that is not accepted.

    The SDKs know three codes: for an expired token, for a token of another identity, and for any
    other invalid token.
    """
    code = refusal.code
    if code.retry:
        return Status(code.status, HTTPStatus(code.status).name, int(code), refusal.message)
    known = code in (Code.TOKEN_EXPIRED, Code.TOKEN_OF_ANOTHER)
    error = int(code if known else Code.TOKEN_INVALID)
    return Status(401, "UNAUTHORIZED", error, refusal.message)


def too_large(refusal: Refusal) -> Status:
    """The status for a packet that is too large, and is not a `message`."""
    return Status(refusal.code.status, "PAYLOAD_TOO_LARGE", int(refusal.code), refusal.message)


def backoff() -> bytes:
    """The payload with the random time after which one client is to reconnect."""
    least = BACKOFF_LEAST + random.randrange(BACKOFF_SPAN)
    return orjson.dumps(
        {"backoff_policy": {"reconnect_min_ms": least, "reconnect_max_ms": least + BACKOFF_SPAN}}
    )
