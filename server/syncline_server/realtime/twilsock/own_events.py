"""Events of a client's own writes and messages, which its SDK partly reports from the reply."""

from __future__ import annotations

from collections.abc import Iterable

from syncline_protocol.commands import Command, Write
from syncline_protocol.items import Change, ChangeKind, ItemsChanged
from syncline_protocol.objects import Event
from syncline_server.objects.items import ItemWritten

from .notifications import Notification, echo, item_changed, notifications

__all__ = ["OwnEvents"]

REMEMBERED = 1_000
"""Writes that change no data whose event may still come: far more than are ever under way."""


class OwnEvents:
    """Decides what one client receives of its own changes and messages.

    The SDKs recognize by its id the event of an item that they added or updated, and report it
    once. They do not recognize a removal, nor a new time to live: for these an echo takes the place
    of the event. And the JavaScript SDK reports a message that it published by itself, while the
    Kotlin SDK waits for its event.
    """

    __slots__ = ("_receives_messages", "_without_data")

    def __init__(self, *, receives_messages: bool) -> None:
        """`receives_messages`: False for an SDK that reports its own messages without an event."""
        self._receives_messages = receives_messages
        # Collection and revision of each write of a time to live alone, oldest first.
        self._without_data: dict[tuple[str, int], None] = {}

    def record_reply(self, command: Command, result: object) -> None:
        """Remember a write that changed no data: its event may follow the reply."""
        if (
            isinstance(result, ItemWritten)
            and isinstance(command, Write)
            and not command.removes
            and not command.tells_data(b"")
        ):
            self._without_data[result.header.sid, result.item.revision] = None
            if len(self._without_data) > REMEMBERED:
                del self._without_data[next(iter(self._without_data))]

    def notifications(self, event: Event, service_url: str) -> Iterable[Notification]:
        """As `notifications.notifications`, of an event of the client's own."""
        if isinstance(event, ItemsChanged):
            return [self._notification(event, each, service_url) for each in event.changes]
        if event.is_stored or self._receives_messages:
            return notifications(event, service_url)
        return ()

    def _notification(self, event: ItemsChanged, change: Change, service_url: str) -> Notification:
        # Also of the removal of an item that was past its expiry when the client wrote it again:
        # its SDK would report the removal after the write.
        revision = change.item.revision
        is_known = change.kind is ChangeKind.REMOVED
        if (event.sid, revision) in self._without_data:
            del self._without_data[event.sid, revision]
            is_known = True
        return echo(event.sid, revision) if is_known else item_changed(event, change, service_url)
