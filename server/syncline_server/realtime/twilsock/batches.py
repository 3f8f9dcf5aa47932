"""The body of a request to `/v4/Subscriptions`: a batch of objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show
from syncline_server.http.body import members

from .events import VERSIONS

__all__ = ["BATCH_LIMIT", "Batch", "Wanted"]

NAME_LIMIT = 64
"""Characters in the SID or type of an object, at most; the outcome repeats both as received."""

BATCH_LIMIT = 1000
"""Objects in one batch, at most: the first batch of the Kotlin and iOS SDK may have as many."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object of a batch.

    Attributes:
        kind: the vendor's name of the type of the object.
        last_event_id: the revision that the client has; None if it names none.
    """

    sid: str
    kind: str
    last_event_id: int | None


@dataclass(frozen=True, slots=True)
class Batch:
    """One request to subscribe to objects, or to unsubscribe.

    Attributes:
        version: `event_protocol_version`, in which the client reads outcomes and events.
        action: `establish` or `cancel`.
        correlation_id: the client's number for the batch; every outcome has it.
        wanted: the objects.
    """

    version: int
    action: str
    correlation_id: int
    wanted: list[Wanted]

    @classmethod
    def parse(cls, body: bytes, values_limit: int) -> Batch:
        """Parse the body of a request. Raises `INVALID_JSON`, `INVALID_PARAMETER`."""
        given = dict(members(body, values_limit))
        # Without a version use the oldest, which every SDK reads.
        version = given.get("event_protocol_version")
        version = VERSIONS[0] if version is None else version
        if not isinstance(version, int) or version not in VERSIONS:
            allowed = " or ".join(map(str, VERSIONS))
            raise _invalid("event_protocol_version", allowed, version)
        action, correlation_id = given.get("action"), given.get("correlation_id")
        if action not in ("establish", "cancel"):
            raise _invalid("action", "establish or cancel", action)
        if isinstance(correlation_id, bool) or not isinstance(correlation_id, int):
            raise _invalid("correlation_id", "an integer", correlation_id)
        requests = given.get("requests")
        if not isinstance(requests, list) or len(requests) > BATCH_LIMIT:
            raise _invalid("requests", f"an array of at most {BATCH_LIMIT} objects", requests)
        return cls(version, action, correlation_id, [_wanted(each) for each in requests])


def _wanted(request: Any) -> Wanted:
    given = request if isinstance(request, dict) else {}
    last_event_id = given.get("last_event_id")
    known = isinstance(last_event_id, int) and not isinstance(last_event_id, bool)
    return Wanted(
        _word(given, "object_sid"), _word(given, "object_type"), last_event_id if known else None
    )


def _word(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or len(value) > NAME_LIMIT:
        raise _invalid(f"{name} of each request", f"a string of at most {NAME_LIMIT}", value)
    return value


def _invalid(field: str, allowed: str, given: Any) -> Refusal:
    return Refusal(Code.INVALID_PARAMETER, f"{field} must be {allowed}; {show(given)} was given.")
