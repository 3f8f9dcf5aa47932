"""Events of many objects, as their subscribers by pattern receive them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from syncline_server.storage.redis.client import Redis

__all__ = ["ALL_EVENTS", "OnPublished", "Published", "Selection"]

SID_LENGTH = 34

ALL_EVENTS = "{IS*"
"""The pattern of the channels of all objects, which the documented rights name
(docs/operations.md)."""

_CREATED = b":created"
"""Ends the channel of creations (create.lua)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A message that was published on the channel of an object.

    Attributes:
        service_sid: of the object's service.
        payload: as `parse_event` reads it.
        is_creation: True if the object was created; the event is that of an update then.
    """

    service_sid: str
    payload: bytes
    is_creation: bool


OnPublished = Callable[[Published], None]
"""Receives each message; must not block."""


class Selection:
    """The objects whose events are wanted.

    Attributes:
        pattern: for PSUBSCRIBE.
    """

    def __init__(self, redis: Redis, service_sid: str | None, sid: str) -> None:
        """
        Args:
            service_sid: None for all services.
            sid: a SID, the beginning of SIDs, or "" for all.

        Raises `Unavailable` while the data set is not known.
        """
        # Events of an object, and its creation, on a channel with a longer name.
        self.pattern = redis.wire_channel(f"{{{service_sid or 'IS*'}:*}}:event:{sid}*")
        self._channels = re.compile(re.escape(self.pattern).replace(r"\*", ".*").encode())

    def published(self, channel: bytes, payload: bytes) -> Published | None:
        """The message, with what its channel's name says; None if it is not wanted."""
        if self._channels.fullmatch(channel) is None:
            return None
        tag = channel.rpartition(b"{")[2]
        return Published(
            service_sid=tag[:SID_LENGTH].decode(),
            payload=payload,
            is_creation=channel.endswith(_CREATED),
        )
