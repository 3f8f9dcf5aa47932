"""Which events of a client are blocked, because a reply must come first (promise 4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from syncline_protocol.objects import Event
from syncline_server.pubsub.topic import Topic

from .pending_events import PendingEvents
from .subscription import Portion, Subscription, topic_keys

__all__ = ["BlockedEvents", "keep"]


class BlockedEvents:
    """The writes of one client that are under way, and the subscriptions with blocked events.

    Attributes:
        writing_keys: number of writes under way, by the key of the command.
    """

    __slots__ = ("_blocked", "writing_keys")

    def __init__(self) -> None:
        self.writing_keys: dict[str, int] = {}
        # A dictionary for its order; a subscription with events of its own need not be in it.
        self._blocked: dict[Subscription, None] = {}

    @contextmanager
    def writing(self, key: str) -> Iterator[None]:
        """A context in which a write is under way, of the object that has this key."""
        # Count under the key of the command, because the object may be opened meanwhile.
        self.writing_keys[key] = self.writing_keys.get(key, 0) + 1
        try:
            yield
        finally:
            self.writing_keys[key] -= 1
            if not self.writing_keys[key]:
                del self.writing_keys[key]

    def is_written(self, topic: Topic) -> bool:
        """True while a write of this client to the object is under way."""
        return bool(self.writing_keys) and any(
            key in self.writing_keys for key in topic_keys(topic)
        )

    def blocks(self, subscription: Subscription, event: Event) -> bool:
        """True if the event must wait for a reply."""
        # 1. The reply to the first `Open` may have a newer state.
        if not subscription.delivered:
            return True
        # 2. The event may be that of a write under way. Up to `acknowledged` it is not: writes to
        #    one object are carried out in order, so the next gets a greater revision.
        return (
            bool(self.writing_keys)
            and (event.revision > subscription.acknowledged or not event.is_stored)
            and self.is_written(subscription.topic)
        )

    def add(self, subscription: Subscription, event: Event) -> None:
        """Block an event."""
        self._blocked[subscription] = None
        keep(subscription, event)

    def add_portion(self, subscription: Subscription, portion: Portion) -> bool:
        """Block changes from the store, if a write is under way that they may contain."""
        newest = portion.replay.header.revision
        if newest <= subscription.acknowledged or not self.is_written(subscription.topic):
            return False
        subscription.portion = portion
        self._blocked[subscription] = None
        return True

    def take(self) -> list[Subscription]:
        """The subscriptions with something blocked, which is to be delivered or blocked again."""
        if not self._blocked:
            return []
        blocked, self._blocked = list(self._blocked), {}
        return blocked


def keep(subscription: Subscription, event: Event) -> None:
    """Keep an event for later, or remember that it was dropped."""
    if subscription.pending is None:
        subscription.pending = PendingEvents()
    subscription.lost = max(subscription.lost, subscription.pending.add(event))
