"""Parses the events that the scripts publish on the channel of a document."""

from __future__ import annotations

import orjson

from syncline_protocol.documents import Updated
from syncline_protocol.objects import Event, Removed

from .rights import Right, RightsChanged

__all__ = ["parse_event"]


def parse_event(payload: bytes) -> Event | RightsChanged:
    """The event in a message: one line of JSON, then the data as it is stored.

    Raises:
        LookupError, TypeError, ValueError: this version does not know such an event.
    """
    line, _, data = payload.partition(b"\n")
    head = orjson.loads(line)
    if head["kind"] == "rights":
        return RightsChanged(head["sid"], head["identity"], Right(int(head["rights"])))
    sid, name = head["sid"], head["name"] or None
    revision, previous, at, by = (
        int(head["revision"]),
        int(head["previous"]),
        int(head["at"]),
        head["by"],
    )
    trace = head.get("trace")
    if head["kind"] == "updated":
        expires = int(head["expires"]) if head["expires"] else None
        return Updated(
            sid=sid,
            unique_name=name,
            revision=revision,
            previous=previous,
            at_ms=at,
            by=by,
            data=data,
            expires_ms=expires,
            trace=trace,
        )
    if head["kind"] not in ("removed", "expired"):
        raise ValueError(f"an event of the kind {head['kind']!r}")
    expired = head["kind"] == "expired"
    return Removed(
        sid=sid,
        unique_name=name,
        revision=revision,
        previous=previous,
        at_ms=at,
        by=by,
        expired=expired,
        trace=trace,
    )
