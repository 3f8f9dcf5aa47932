"""The subscriptions of one client, by the keys of their objects."""

from __future__ import annotations

from collections.abc import Iterator

from .subscription import Subscription, topic_keys

__all__ = ["SubscriptionIndex"]


class SubscriptionIndex:
    """Subscriptions by SID, and by name. A key is that of a command (`Command.key`).

    Attributes:
        by_sid: the subscriptions by the SID of their object.
    """

    __slots__ = ("_by_name", "by_sid")

    def __init__(self) -> None:
        self.by_sid: dict[str, Subscription] = {}
        self._by_name: dict[str, Subscription] = {}

    def __len__(self) -> int:
        return len(self.by_sid)

    def __iter__(self) -> Iterator[Subscription]:
        """All subscriptions, which may end meanwhile."""
        return iter(list(self.by_sid.values()))

    def __contains__(self, subscription: Subscription) -> bool:
        return self.by_sid.get(subscription.topic.sid) is subscription

    def find(self, key: str | None) -> Subscription | None:
        """The subscription to the object; None if none is known by this key."""
        return None if key is None else self.by_sid.get(key) or self._by_name.get(key)

    def keys(self, key: str | None) -> list[str]:
        """`key` first, then the other known keys of its object."""
        if key is None:
            return []
        subscription = self.find(key)
        return [key, *(topic_keys(subscription.topic) if subscription is not None else ())]

    def add(self, subscription: Subscription) -> None:
        """Add a subscription to an object that has none."""
        self.by_sid[subscription.topic.sid] = subscription
        for key in topic_keys(subscription.topic)[1:]:
            self._by_name[key] = subscription

    def remove(self, subscription: Subscription) -> None:
        """Remove a subscription."""
        del self.by_sid[subscription.topic.sid]
        # The name may belong to a newer object already, which is open under it.
        for key in topic_keys(subscription.topic)[1:]:
            if self._by_name.get(key) is subscription:
                del self._by_name[key]
