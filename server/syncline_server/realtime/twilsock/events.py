"""Encoding of events, and of the outcomes of subscriptions, as notifications.

A client names its `event_protocol_version` when it subscribes. SDKs before 3.1.0 name 3, and read
the outcome of a subscription from `event`, an object. Later SDKs name 4, and read it from `events`,
an array. Events of objects are in `event` in both versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from syncline_protocol import twilsock
from syncline_protocol.objects import Event, Header, type_of_sid
from syncline_server.observability.metrics import Tally
from syncline_server.pubsub.topic import Format
from syncline_server.realtime.websocket.frames import binary_frame, deflating

from .api import Dialect
from .router import DIALECTS

__all__ = [
    "NEWEST_VERSION",
    "VERSIONS",
    "Formats",
    "encode_replay",
    "encode_subscription",
    "formats_of",
]

MESSAGE_TYPE = "twilio.sync.event"
"""The SDKs process notifications of this type strictly in order."""

OLDEST_VERSION = 3

NEWEST_VERSION = 4

VERSIONS = (OLDEST_VERSION, NEWEST_VERSION)
"""Values of `event_protocol_version` that are served."""


Formats = Mapping[int, tuple[Format, Format]]
"""By version: the formats for clients that take no compressed frames, and for those that do."""


def formats_of(tally: Tally) -> Formats:
    """The formats whose traffic `tally` counts."""
    return {version: _formats(_encoder(version), tally) for version in VERSIONS}


def _formats(encode: Callable[[Event], bytes], tally: Tally) -> tuple[Format, Format]:
    return Format(encode, None, tally), Format(deflating(encode), None, tally)


def _encoder(version: int) -> Callable[[Event], bytes]:
    """Returns the encoder of events for clients of this version; they share its frames."""

    def encode(event: Event) -> bytes:
        event_type, payload = _dialect(event.sid).describe(event)
        return _frame(version, f"{event.sid}-{event.revision}", event_type, event=payload)

    return encode


def encode_replay(version: int, correlation_id: int, state: Header) -> bytes:
    """The frame that brings one subscriber to the newest state of an object.

    Args:
        version, correlation_id: of the request to subscribe.
    """
    dialect = _dialect(state.sid)
    event_type, payload = dialect.describe(dialect.replay(state))
    packet_id = f"{state.sid}-{state.revision}-{correlation_id}"
    return _frame(version, packet_id, event_type, correlation_id, event=payload)


def _dialect(sid: str) -> Dialect:
    return DIALECTS[type_of_sid(sid).name]


def encode_subscription(version: int, outcome: str, correlation_id: int, **details: Any) -> bytes:
    """The frame with the outcome of a request to subscribe to one object, or to unsubscribe.

    Args:
        version, correlation_id: of that request.
        outcome: `established`, `failed` or `canceled`.
        details: `object_sid`, `object_type`, and the members of this outcome.
    """
    packet_id = f"{details['object_sid']}-{outcome}-{correlation_id}"
    head = (version, packet_id, f"subscription_{outcome}", correlation_id)
    if version == OLDEST_VERSION:
        return _frame(*head, event=details)
    return _frame(*head, events=[details])


def _frame(
    version: int,
    packet_id: str,
    event_type: str,
    correlation_id: int | None = None,
    **body: Any,
) -> bytes:
    head: dict[str, Any] = {"event_type": event_type, "event_protocol_version": version}
    if correlation_id is not None:
        head["correlation_id"] = correlation_id
    payload = orjson.dumps(head | body)
    return binary_frame(twilsock.encode_notification(packet_id, MESSAGE_TYPE, payload))
