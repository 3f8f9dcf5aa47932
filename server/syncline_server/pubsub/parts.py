"""Subscribers to parts of one collection: those with certain keys, or a prefix of keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from syncline_protocol.item_commands import Part

if TYPE_CHECKING:
    from .topic import Subscriber

__all__ = ["Parts"]


class Parts:
    """The parts of one object that are open here.

    The subscribers of a key are found by dictionary: the cost of an event does not grow with the
    number of parts that do not have the key.
    """

    __slots__ = ("_by_key", "_by_prefix", "_lengths", "_parts")

    def __init__(self) -> None:
        self._parts: dict[Subscriber, Part] = {}
        self._by_key: dict[str, set[Subscriber]] = {}
        self._by_prefix: dict[str, set[Subscriber]] = {}
        # How many prefixes of each length there are.
        self._lengths: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def add(self, subscriber: Subscriber, part: Part) -> None:
        """Add a subscriber, or replace its part."""
        self.discard(subscriber)
        self._parts[subscriber] = part
        for key in part.keys or ():
            self._by_key.setdefault(key, set()).add(subscriber)
        if part.prefix is not None:
            length = len(part.prefix)
            if part.prefix not in self._by_prefix:
                self._by_prefix[part.prefix] = set()
                self._lengths[length] = self._lengths.get(length, 0) + 1
            self._by_prefix[part.prefix].add(subscriber)

    def discard(self, subscriber: Subscriber) -> None:
        """Remove a subscriber, if it has a part."""
        part = self._parts.pop(subscriber, None)
        if part is None:
            return
        for key in part.keys or ():
            _remove(self._by_key, key, subscriber)
        if part.prefix is not None and _remove(self._by_prefix, part.prefix, subscriber):
            length = len(part.prefix)
            self._lengths[length] -= 1
            if not self._lengths[length]:
                del self._lengths[length]

    def find(self, keys: Iterable[str] | None) -> Iterable[Subscriber]:
        """The subscribers of any of the keys, each once; all subscribers for None."""
        if keys is None:
            return list(self._parts)
        found: set[Subscriber] = set()
        for key in keys:
            found.update(self._by_key.get(key, ()))
            for length in self._lengths:
                if length <= len(key):
                    found.update(self._by_prefix.get(key[:length], ()))
        return found


def _remove(index: dict[str, set[Subscriber]], name: str, subscriber: Subscriber) -> bool:
    """Remove a subscriber from an entry of an index; True if the entry is gone."""
    subscribers = index[name]
    subscribers.discard(subscriber)
    if subscribers:
        return False
    del index[name]
    return True
