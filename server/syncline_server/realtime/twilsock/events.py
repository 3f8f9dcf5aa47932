"""Encoding of events, and of the outcomes of subscriptions, as frames.

A client names its `event_protocol_version` when it subscribes. SDKs before 3.1.0 name 3, and read
the outcome of a subscription from `event`, an object. Later SDKs name 4, and read it from `events`,
an array. Events of objects are in `event` in both versions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import orjson

from syncline_protocol import twilsock
from syncline_protocol.objects import Event
from syncline_server.observability.metrics import Tally
from syncline_server.pubsub.topic import Format
from syncline_server.realtime.websocket.frames import binary_frame, deflating

from .notifications import Notification, notifications

__all__ = [
    "NEWEST_VERSION",
    "VERSIONS",
    "EventFormats",
    "Formats",
    "encode_notifications",
    "encode_subscription",
]

MESSAGE_TYPE = "twilio.sync.event"
"""The SDKs process notifications of this type strictly in order."""

OLDEST_VERSION = 3

NEWEST_VERSION = 4

VERSIONS = (OLDEST_VERSION, NEWEST_VERSION)
"""Values of `event_protocol_version` that are served."""


@dataclass(frozen=True, eq=False)
class Formats:
    """How the events of one service are encoded for clients of one version.

    Attributes:
        version: `event_protocol_version`.
        service_url: begins the URLs in events. It has the host that the clients use.
        plain: for clients that take no compressed frames.
        deflated: for those that do.
    """

    version: int
    service_url: str
    plain: Format
    deflated: Format


class EventFormats:
    """The formats in use: clients of one version that use one host share their frames."""

    def __init__(self, tally: Tally) -> None:
        """`tally`: counts the traffic."""
        self._tally = tally
        # A client chooses the host, so a format lasts only as long as a client uses it.
        self._formats: WeakValueDictionary[tuple[int, str], Formats] = WeakValueDictionary()

    def of(self, version: int, service_url: str) -> Formats:
        """The formats for a client, which keeps them as long as it uses them."""
        found = self._formats.get((version, service_url))
        if found is None:
            encode = _encoder(version, service_url)
            found = Formats(
                version,
                service_url,
                Format(encode, None, self._tally),
                Format(deflating(encode), None, self._tally),
            )
            self._formats[version, service_url] = found
        return found


def _encoder(version: int, service_url: str) -> Callable[[Event], bytes]:
    """Returns the encoder of events for clients of this version; they share its frames."""

    def encode(event: Event) -> bytes:
        return encode_notifications(version, notifications(event, service_url))

    return encode


def encode_notifications(
    version: int, several: Iterable[Notification], correlation_id: int | None = None
) -> bytes:
    """The frames of notifications.

    Args:
        correlation_id: of the request to subscribe, for events that the subscriber missed before.
    """
    suffix = "" if correlation_id is None else f"-{correlation_id}"
    return b"".join(
        _frame(
            version,
            each.packet_id + suffix,
            each.event_type,
            correlation_id,
            event=each.body,
        )
        for each in several
    )


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
