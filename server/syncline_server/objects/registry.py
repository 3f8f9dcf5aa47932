"""The types of objects that a server offers, and what each type does.

A new type is one more row of `_OPERATIONS`, and a file of its name beside this one with the class
that the row names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from syncline_protocol.commands import Command, Open
from syncline_protocol.objects import DOCUMENT, LIST, MAP, STREAM, Header, ObjectType, type_of_sid
from syncline_server.pubsub.catch_up import Source

from .access import Access
from .contended_writes import Client
from .documents import Documents
from .headers import Found
from .lists import Lists
from .maps import Maps
from .replays import Replays
from .streams import Streams

if TYPE_CHECKING:
    from syncline_server.backend import Backend

__all__ = ["Handler", "Operations", "Registry"]

_Command = TypeVar("_Command", bound=Command, contravariant=True)


class Handler(Protocol[_Command]):
    """Carries out one kind of command. Raises `Refusal`.

    Returns a `WriteResult` for `Create` and every `Write`; for other commands, what was read.
    """

    def __call__(
        self, access: Access, command: _Command, client: Client | None = None, /
    ) -> Awaitable[Any]: ...


class Operations(Protocol):
    """What callers do with the objects of one type.

    All methods check the caller's rights (`Access.check`) and raise `Refusal`.
    """

    @property
    def source(self) -> Source:
        """Reads the stored objects for the hub, without a caller."""

    @property
    def replays(self) -> Replays | None:
        """Reads collections for readers that join or have fallen behind; None for other types."""

    @property
    def handlers(self) -> Mapping[type[Command], Handler[Any]]:
        """By command. `Open`, `Get` and `Unsubscribe` are the session's, for every type."""

    async def open(self, access: Access, command: Open) -> tuple[Header, bool]:
        """Find or create the object to open. Returns it, and True if it was created."""

    def open_jointly(self, access: Access, command: Open, done: Found[Any]) -> bool:
        """As `open`, with others that open the object in this turn of the event loop; `done` is
        called later, with the outcome. False if the caller must use `open`."""

    async def get(self, access: Access, address: str) -> Header:
        """The newest state, as `open` returns it."""

    async def get_in_turn(
        self, access: Access, address: str, client: Client | None
    ) -> tuple[Header, bool]:
        """As `get`, but once the client can write without a rival, where writers contend.

        Returns:
            the state, and True if the client has its turn.
        """

    async def advance(self, access: Access, sid: str, known: int) -> Header:
        """The newest state, at a revision beyond `known`, which a client has received."""


_OPERATIONS: Mapping[ObjectType, Callable[[Backend], Operations]] = {
    DOCUMENT: Documents,
    LIST: Lists,
    MAP: Maps,
    STREAM: Streams,
}


class Registry:
    """The operations of every type."""

    def __init__(self, backend: Backend) -> None:
        self._operations = {type_.name: make(backend) for type_, make in _OPERATIONS.items()}

    def of(self, type_: ObjectType) -> Operations:
        """The operations of a type."""
        return self._operations[type_.name]

    def sources(self) -> Iterator[tuple[ObjectType, Source]]:
        """Each type with the source of its stored objects."""
        return ((type_, self.of(type_).source) for type_ in _OPERATIONS)

    async def read_header(self, service_sid: str, sid: str) -> Header | None:
        """The header of the object with this SID, without any check; None if there is none."""
        return await self.of(type_of_sid(sid)).source.header(service_sid, sid)
