"""Registers the callbacks of an application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from .emitter import Emitter
from .event_queue import E

__all__ = ["Decorator", "Unsubscribe", "as_model", "listen"]

R = TypeVar("R")

Unsubscribe = Callable[[], None]
"""Removes a callback; what `on` returns."""


class Decorator(Protocol[E]):
    """Registers the function that it decorates; what `on` returns without a callback."""

    def __call__(self, function: Callable[[E], R], /) -> Callable[[E], R]:
        """Return the function as it is."""


def listen(events: Emitter[Any], name: str, callback: Any, check_loop: Callable[[], None]) -> Any:
    """Call `callback` with each event of that name; without one, return a decorator."""
    events.check_name(name)
    check_loop()
    if callback is not None:
        return events.on(name, callback)

    def decorate(function: Any) -> Any:
        events.on(name, function)
        return function

    return decorate


def as_model(codec: Any) -> Callable[[Any], Any] | None:
    """What gives events the data of a model; None if there is no model."""
    if codec is None:
        return None

    def convert(event: Any) -> Any:
        with_codec = getattr(event, "with_codec", None)
        return event if with_codec is None else with_codec(codec)

    return convert
