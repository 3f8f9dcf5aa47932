"""Why the server refuses a packet, or ends a connection, in the vendor's codes."""

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

# With an error code of its own the Kotlin and iOS SDK would not connect again.
GOING_AWAY = Status(308, "PERMANENT_REDIRECT", None, "The server is shutting down")

TOO_LATE = Status(408, "REQUEST_TIMEOUT", None, "There was no init in time")

TOO_MANY = Status(429, "TOO_MANY_REQUESTS", 51202, "Too many requests")

BACKOFF_LEAST, BACKOFF_SPAN = 500, 3000
"""Milliseconds: clients that are sent away at once come back over so long a time."""


def not_acceptable(reason: str) -> Status:
    """A packet that this server does not understand."""
    return Status(406, "NOT_ACCEPTABLE_MESSAGE", 51214, reason)


def refused(refusal: Refusal) -> Status:
    """A token that is not accepted.

    The SDKs know three codes: of an expired token, of one for somebody else, and of any other.
    """
    code = refusal.code
    if code.retry:
        return Status(code.status, HTTPStatus(code.status).name, int(code), refusal.message)
    known = code in (Code.TOKEN_EXPIRED, Code.TOKEN_OF_ANOTHER)
    error = int(code if known else Code.TOKEN_INVALID)
    return Status(401, "UNAUTHORIZED", error, refusal.message)


def too_large(refusal: Refusal) -> Status:
    """A packet that is larger than a message may be, and is no request to an object."""
    return Status(refusal.code.status, "PAYLOAD_TOO_LARGE", int(refusal.code), refusal.message)


def backoff() -> bytes:
    """The payload that tells one client when to come back."""
    least = BACKOFF_LEAST + random.randrange(BACKOFF_SPAN)
    return orjson.dumps(
        {"backoff_policy": {"reconnect_min_ms": least, "reconnect_max_ms": least + BACKOFF_SPAN}}
    )
