"""Order of the events of one object and the replies to its writes (docs/protocol.md, rule C13)."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

__all__ = ["EventOrder"]

News = TypeVar("News")


class EventOrder(Generic[News]):
    """Delivers news in the order in which it came, each after the writes that it must wait for.

    A *ticket* numbers each write: news that may come before the reply to its write waits for all
    tickets up to its own.
    """

    def __init__(
        self,
        bound: int,
        deliver: Callable[[News], None],
        overflow: Callable[[], None] | None = None,
    ) -> None:
        """
        Args:
            bound: maximum amount of news that waits for writes.
            deliver: called with each.
            overflow: called beyond `bound`; None drops the oldest.
        """
        self._bound = bound
        self._deliver = deliver
        self._overflow = overflow
        self._tickets = itertools.count(1)
        self._last_ticket = 0
        self._last_carried_over = 0  # ticket of the last write possibly sent before a reconnect
        self._under_way: set[int] = set()  # tickets of the writes in flight
        # What to deliver, each with the last ticket that it waits for; 0 waits for none.
        self._waiting: deque[tuple[int, News]] = deque()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Wrap an own write, from before it is sent until its reply is processed."""
        ticket = self._last_ticket = next(self._tickets)
        self._under_way.add(ticket)
        try:
            yield
        finally:
            self._under_way.discard(ticket)
            self._release()

    def reconnected(self) -> None:
        """Prepare for a new connection.

        A write in flight may have been sent on the one before, where the server may still apply it.
        Its event can therefore come on the new connection before its reply.
        """
        self._last_carried_over = self._last_ticket

    def put(self, news: News, *, may_be_early: bool) -> None:
        """Deliver `news` in its turn; `may_be_early`: it may come before the reply to its write."""
        # If events can overtake replies, wait for every write that has a ticket by now. Otherwise
        # only for writes that may have been sent on an earlier connection.
        self._waiting.append((self._last_ticket if may_be_early else self._last_carried_over, news))
        if len(self._waiting) > self._bound:
            if self._overflow is None:
                self._waiting.popleft()
            else:
                self._overflow()
        self._release()

    def drop(self, is_kept: Callable[[News], bool]) -> None:
        """Drop the waiting news, except what is to be kept."""
        self._waiting = deque(entry for entry in self._waiting if is_kept(entry[1]))

    def _release(self) -> None:
        """Deliver waiting news, in order, up to the first that still waits for a write."""
        while self._waiting:
            ticket, news = self._waiting[0]
            if any(under_way <= ticket for under_way in self._under_way):
                return
            self._waiting.popleft()
            self._deliver(news)
