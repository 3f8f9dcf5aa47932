"""Subscribers to one object that receive only its newest state, some times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

from syncline_protocol.objects import Event

if TYPE_CHECKING:
    from .topic import Conflating, Subscriber

__all__ = ["Conflated"]

SHORTEST, LONGEST = 0.05, 0.25
"""Seconds from one event to the next, at least and at most."""

SHARE = 0.002
"""Seconds for each subscriber, so that together they receive at most some 500 events a second: the
writers that wait for each other are not slowed down by the events of all."""


class Conflated:
    """These subscribers, and the newest event that they have not received.

    The first event after a pause is sent at once, so that nobody waits where little happens.
    """

    __slots__ = ("_newest", "_receive", "_timer", "subscribers")

    def __init__(self, receive: Callable[[Iterable[Conflating], Event], None]) -> None:
        """`receive`: passes an event to subscribers, by `Conflating.on_newest`."""
        self.subscribers: set[Conflating] = set()
        self._receive = receive
        self._newest: Event | None = None
        self._timer: asyncio.TimerHandle | None = None

    def discard(self, subscriber: Subscriber) -> None:
        """Remove a subscriber, if it is one of these."""
        self.subscribers.discard(cast("Conflating", subscriber))

    def add_event(self, event: Event) -> None:
        """Send an event, now or instead of those that wait already."""
        if self._timer is not None:
            self._newest = event
        elif self.subscribers:
            self._send(event)

    def _send(self, event: Event) -> None:
        interval = min(max(SHORTEST, SHARE * len(self.subscribers)), LONGEST)
        self._timer = asyncio.get_running_loop().call_later(interval, self._end_interval)
        # A copy: `on_newest` may end the conflation, or the subscription.
        self._receive(list(self.subscribers), event)

    def _end_interval(self) -> None:
        event, self._newest, self._timer = self._newest, None, None
        if event is not None and self.subscribers:
            self._send(event)
