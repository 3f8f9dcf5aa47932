"""The subscriptions of one client, by the keys of their objects."""

from __future__ import annotations

from collections.abc import Iterator

from .subscription import Subscription, topic_keys

__all__ = ["SubscriptionIndex"]


class SubscriptionIndex:
    """Subscriptions by SID, and by name. A key is that of a command (`Command.key`).

    Attributes:
        by_key: each subscription by its SID, and by its name if it has one. One dictionary, because
            there are very many clients with one open object; no name is shaped like a SID.
    """

    __slots__ = ("_count", "by_key")

    def __init__(self) -> None:
        self.by_key: dict[str, Subscription] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Subscription]:
        """All subscriptions, which may end meanwhile."""
        return iter([each for key, each in self.by_key.items() if key == each.topic.sid])

    def __contains__(self, subscription: Subscription) -> bool:
        return self.by_key.get(subscription.topic.sid) is subscription

    def find(self, key: str | None) -> Subscription | None:
        """The subscription to the object; None if none is known by this key."""
        return None if key is None else self.by_key.get(key)

    def keys(self, key: str | None) -> list[str]:
        """`key` first, then the other known keys of its object."""
        if key is None:
            return []
        subscription = self.find(key)
        return [key, *(topic_keys(subscription.topic) if subscription is not None else ())]

    def add(self, subscription: Subscription) -> None:
        """Add a subscription to an object that has none."""
        self._count += 1
        for key in topic_keys(subscription.topic):
            self.by_key[key] = subscription

    def remove(self, subscription: Subscription) -> None:
        """Remove a subscription."""
        self._count -= 1
        # The name may belong to a newer object already, which is open under it.
        for key in topic_keys(subscription.topic):
            if self.by_key.get(key) is subscription:
                del self.by_key[key]
