"""Interface of the state of an open object, which the registry of open objects sees."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from .events import Removal
from .header import JsonObject
from .transport import Receive

__all__ = ["Handle", "Kind", "ObjectState", "S"]


class Handle(Protocol):
    """What an application holds of an open object."""

    @property
    def sid(self) -> str:
        """SID of the object."""

    async def close(self) -> None:
        """Close the handle; the last one unsubscribes."""


class ObjectState(Protocol):
    """State of one open object, shared by its handles.

    Attributes:
        on_lost: called when `is_lost` becomes True.
    """

    on_lost: Callable[[], None]

    @property
    def type(self) -> str:
        """Name of the type of object: the member of requests that names it."""

    @property
    def sid(self) -> str:
        """SID of the object."""

    @property
    def unique_name(self) -> str | None:
        """Unique name; None if the object has none."""

    @property
    def handles(self) -> Collection[Any]:
        """The handles of the object."""

    @property
    def is_lost(self) -> bool:
        """True while there are changes that the client can only get by `open`."""

    def opened_again(self, ok: JsonObject) -> None:
        """Process the reply to an `open` of another handle."""

    def reply_missed(self) -> None:
        """Process that the server has replied to an `open` whose caller was cancelled."""

    def reopening(self) -> tuple[JsonObject, Receive[None]]:
        """Members of the `open` that catches up, and what processes its reply (rule C11)."""

    def reconnected(self) -> None:
        """Prepare for a new connection."""

    def take(self, message: JsonObject, *, may_be_early: bool) -> None:
        """Process an event of the server, other than a removal."""

    def receive_removal(self, removal: Removal, *, may_be_early: bool) -> None:
        """Process the removal of the object."""

    def writing(self) -> AbstractContextManager[None]:
        """Wrap an own write, from before it is sent until its reply is processed."""

    def end(self, error: Exception | None) -> None:
        """End all handles: no event follows."""


S = TypeVar("S", bound=ObjectState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[S]):
    """How to open objects of one type.

    Attributes:
        type: name of the type.
        subscribe: makes the state from the reply to `open`.
    """

    type: str
    subscribe: Callable[[JsonObject], S]
