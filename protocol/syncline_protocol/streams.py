"""Messages of streams: published to the subscribers, not stored."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

from .commands import Command
from .objects import STREAM, Event, ObjectType

__all__ = ["MESSAGE_PREFIX", "Message", "Missed", "Publish"]

MESSAGE_PREFIX = "TZ"
"""Begins the SID of a message; 32 hexadecimal digits follow."""


@dataclass(frozen=True, slots=True)
class Publish(Command):
    """Publish a message to the subscribers of the stream at `address`."""

    verb = "publish"
    address: str
    _: KW_ONLY
    data: bytes
    op: str | None = None
    type: ObjectType = STREAM


@dataclass(slots=True, kw_only=True)
class Message(Event):
    """A message that was published on a stream. It moves no revision.

    Attributes:
        message_sid: SID of the message.
        data: the JSON object as compact UTF-8.
    """

    message_sid: str
    data: bytes

    @property
    def mark(self) -> str:
        """As in `Event`: the SID of the message."""
        return self.message_sid

    @property
    def is_stored(self) -> bool:
        """As in `Event`: the stream stays as it is."""
        return False


@dataclass(slots=True, kw_only=True)
class Missed(Event):
    """A reader that was too slow did not get some messages. It moves no revision.

    Attributes:
        count: how many messages.
    """

    count: int

    @property
    def is_stored(self) -> bool:
        """As in `Event`: the stream stays as it is."""
        return False
