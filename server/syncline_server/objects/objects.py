"""Operations that lists, maps and streams share: those of the objects themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncline_protocol.commands import Create, Remove, SetTtl
from syncline_protocol.objects import Header, ObjectType
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import NewObject
from syncline_server.storage.paging import Page
from syncline_server.storage.results import absent, forbidden, name_taken
from syncline_server.storage.rights import Right

from .access import Access

if TYPE_CHECKING:
    from syncline_server.backend import Backend

__all__ = ["Collections", "ObjectWritten"]


@dataclass(frozen=True, slots=True)
class ObjectWritten:
    """A write of an object that was applied.

    Attributes:
        header: the object after the write.
        repeated: True if the operation id showed that the write had been applied before.
    """

    header: Header
    repeated: bool


class Collections:
    """What callers do with the objects of one type."""

    def __init__(self, backend: Backend, type_: ObjectType) -> None:
        self.type = type_
        self._objects = backend.objects
        self._listing = backend.listing

    async def get(self, access: Access, address: str) -> Header:
        """The newest state; requires the right to read, where the type has permissions."""
        needs = await access.check(self.type, address, Right.READ)
        if not self.type.has_permissions:
            needs = None  # open to every identity of the service
        header = await self._objects.get(self._at(access, address), access.identity, needs)
        if header is None:
            raise absent(self.type, address)
        return header

    async def page(self, access: Access, size: int, token: str | None) -> Page[Header]:
        """At most `size` objects (`Listing.page`); as `Documents.page`."""
        if await access.check(self.type, None, Right.READ) is not None:
            raise forbidden()
        return await self._listing.page(access.service_sid, self.type, size, token)

    async def create(self, access: Access, command: Create) -> ObjectWritten:
        """Create an object; raises `NAME_TAKEN`. Requires no right, and gives the creator all."""
        needs = await access.check(self.type, command.address, Right.NONE, Right.WRITE)
        new = NewObject(name=command.address, ttl=command.ttl, op=command.op)
        outcome = await self._objects.create(
            access.service_sid, self.type, access.author(needs), new
        )
        if outcome.exists:
            raise name_taken(self.type, command.address)
        return ObjectWritten(outcome.state, outcome.is_repeated)

    async def set_ttl(self, access: Access, command: SetTtl) -> ObjectWritten:
        """Replace the expiry; requires the right to write."""
        needs = await access.check(self.type, command.address, Right.WRITE)
        outcome = await self._objects.update(
            self._at(access, command.address),
            access.author(needs),
            ttl=command.ttl,
            op=command.op,
        )
        return ObjectWritten(outcome.state, outcome.is_repeated)

    async def remove(self, access: Access, command: Remove) -> ObjectWritten:
        """Remove the object; requires the right to manage."""
        needs = await access.check(self.type, command.address, Right.MANAGE)
        outcome = await self._objects.remove(
            self._at(access, command.address), access.author(needs), op=command.op
        )
        return ObjectWritten(outcome.state, outcome.is_repeated)

    def _at(self, access: Access, address: str) -> ObjectAddress:
        return ObjectAddress(access.service_sid, self.type, address)
