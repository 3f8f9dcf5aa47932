"""A commit under way that blocks events, so that its reply comes before its own event."""

from __future__ import annotations

from types import TracebackType

from syncline_protocol.errors import Refusal

from .subscriptions import Subscriptions

__all__ = ["BlockingWrite"]


class BlockingWrite:
    """A commit under way: it blocks the events of its object."""

    __slots__ = ("_key", "_subscriptions")

    def __init__(self, subscriptions: Subscriptions, key: str) -> None:
        self._subscriptions = subscriptions
        self._key = key

    def __enter__(self) -> None:
        self._subscriptions.begin_write(self._key)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._subscriptions.end_write(self._key)
        if isinstance(exc_value, Refusal) and exc_value.newest is not None:
            # The write lost against others and has no event, so none of the blocked events is its
            # own. Deliver them now, because the refusal may be blocked until its turn comes. Any
            # other refusal is sent at once, and one that leaves the outcome open may have an event.
            self._subscriptions.deliver_pending()
