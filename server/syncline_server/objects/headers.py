"""What callers do with lists, maps and streams as a whole: create, read, list, expire, remove."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncline_protocol import fields
from syncline_protocol.commands import Command, Create, Mode, Open, Remove, SetTtl
from syncline_protocol.objects import Event, ExpiryChanged, Header, ObjectType
from syncline_protocol.sids import is_sid
from syncline_server.pubsub.topic import Topic
from syncline_server.storage.author import Author
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import NewObject, Objects, Outcome
from syncline_server.storage.paging import Page
from syncline_server.storage.results import absent, forbidden, name_taken, sid_forbidden
from syncline_server.storage.rights import Right

from .access import Access
from .contended_writes import Client

if TYPE_CHECKING:
    from syncline_server.backend import Backend

    from .registry import Handler

__all__ = ["HeaderSource", "HeaderWritten", "Headers", "expiry_event"]


@dataclass(frozen=True, slots=True)
class HeaderWritten:
    """A write of an object as a whole, which was applied.

    Attributes:
        header: after the write; for a removal, the last one at the removal's revision.
        repeated: True if the operation id showed that the write had been applied before.
    """

    header: Header
    repeated: bool

    @property
    def state(self) -> Any:
        """As in `WriteResult`; no writes contend for an object as a whole."""
        return self.header


class HeaderSource:
    """The stored objects of a type that holds no data of its own, as the hub reads them."""

    def __init__(self, backend: Backend, type_: ObjectType) -> None:
        self._objects = backend.objects
        self._now_ms = backend.hub.now_ms
        self._type = type_

    async def header(self, service_sid: str, sid: str) -> Header | None:
        """As in `catch_up.Source`."""
        return await self._objects.get(self._at(service_sid, sid))

    async def missed(self, topic: Topic) -> AsyncIterator[Event]:
        """As in `catch_up.Source`: the expiry, which is all that can have changed."""
        header = await self.header(topic.service_sid, topic.sid)
        newest = topic.newest_known
        if header is not None and header.revision < newest:
            # A failover lost writes that subscribers have seen (promise 2).
            at = self._at(topic.service_sid, topic.sid)
            header = (await self._objects.advance(at, newest)).state
        if header is None:
            yield topic.make_removal(self._now_ms())
        else:
            yield expiry_event(header, topic.revision)

    def _at(self, service_sid: str, sid: str) -> ObjectAddress:
        return ObjectAddress(service_sid, self._type, sid)


def expiry_event(header: Header, previous: int) -> ExpiryChanged:
    """The event that brings subscribers to the expiry of a stored header."""
    return ExpiryChanged(
        sid=header.sid,
        unique_name=header.unique_name,
        revision=header.revision,
        previous=previous,
        at_ms=header.updated_ms,
        by=header.updated_by,
        expires_ms=header.expires_ms,
    )


class Headers:
    """Operations on the objects of one type as a whole (`registry.Operations`).

    Every method raises `Refusal`: `UNAVAILABLE` while Redis is away, `ACCESS_FORBIDDEN`, and the
    codes that it lists. An object that does not exist raises as `results.absent`.

    A type without permissions (`ObjectType.has_permissions`) may be opened by every identity of the
    service; its expiry and its removal are left to its creator and to the account.
    """

    def __init__(self, backend: Backend, type_: ObjectType) -> None:
        self.type = type_
        self.source = HeaderSource(backend, type_)
        self.handlers: Mapping[type[Command], Handler[Any]] = {
            Create: self.create,
            SetTtl: self.set_ttl,
            Remove: self.remove,
        }
        self._objects: Objects = backend.objects
        self._chosen_sids = backend.chosen_sids
        self._listing = backend.listing

    async def get(self, access: Access, address: str) -> Header:
        """The newest header; requires the right to read."""
        needs = await self._check(access, address, Right.READ)
        header = await self._objects.get(self._at(access, address), access.identity, needs)
        if header is None:
            raise absent(self.type, address)
        return header

    async def page(self, access: Access, size: int, token: str | None) -> Page[Header]:
        """At most `size` headers (`Listing.page`); raises `INVALID_PAGE_TOKEN`.

        A list would show objects that the caller may not read. So a token holder may not list where
        permissions are checked, nor with grants that do not include reading all objects.
        """
        if await access.check(self.type, None, Right.READ) is not None:
            raise forbidden()
        return await self._listing.page(access.service_sid, self.type, size, token)

    async def open(self, access: Access, command: Open) -> tuple[Header, bool]:
        """Find or create the object to open. Returns it, and True if it was created."""
        address, mode = command.address, command.mode
        if mode is Mode.OPEN_EXISTING or (address is not None and is_sid(address)):
            return await self.get(access, address or ""), False
        if address is not None:
            fields.unique_name(address, self.type.name)
        new = NewObject(name=address, ttl=command.ttl, op=command.op)
        if mode is Mode.CREATE_NEW:
            return (await self._create(access, new, Right.READ | Right.WRITE)).state, True
        needs = await self._check(access, address, Right.READ)
        if access.grants(self.type, address, Right.WRITE):
            outcome = await self._objects.create(
                access.service_sid, self.type, access.author(needs), new
            )
            return outcome.state, not outcome.exists
        if address is None:
            raise forbidden()
        header = await self._objects.get(self._at(access, address), access.identity, needs)
        if header is None:
            raise forbidden()
        return header, False

    async def create(
        self, access: Access, command: Create, client: Client | None = None
    ) -> HeaderWritten:
        """Create an object; raises `NAME_TAKEN`. Requires no right, and gives the creator all."""
        new = NewObject(name=command.address, ttl=command.ttl, op=command.op)
        return _written(await self._create(access, new, Right.WRITE))

    async def create_as(self, access: Access, sid: str, command: Create) -> HeaderWritten:
        """Create an object under a SID that the caller chose; only for the account.

        Raises:
            Refusal: as `ChosenSids.create`; `FORBIDDEN` for a token holder.
        """
        if access.limited:
            raise sid_forbidden(self.type)
        new = NewObject(name=command.address, ttl=command.ttl, op=command.op)
        author = access.author(None)
        return _written(await self._chosen_sids.create(access.service_sid, sid, author, new))

    async def _create(self, access: Access, new: NewObject, granted: Right) -> Outcome:
        needs = await self._check(access, new.name, Right.NONE, granted)
        outcome = await self._objects.create(
            access.service_sid, self.type, access.author(needs), new
        )
        if outcome.exists:
            raise name_taken(self.type, new.name)
        return outcome

    async def set_ttl(
        self, access: Access, command: SetTtl, client: Client | None = None
    ) -> HeaderWritten:
        """Replace the expiry; requires the right to write."""
        author = await self._author(access, command.address, Right.WRITE)
        at = self._at(access, command.address)
        outcome = await self._objects.update(at, author, ttl=command.ttl, op=command.op)
        return _written(outcome)

    async def remove(
        self, access: Access, command: Remove, client: Client | None = None
    ) -> HeaderWritten:
        """Remove the object with all that it holds; requires the right to manage."""
        author = await self._author(access, command.address, Right.MANAGE)
        at = self._at(access, command.address)
        return _written(await self._objects.remove(at, author, op=command.op))

    async def advance(self, access: Access, sid: str, known: int) -> Header:
        """As in `registry.Operations`. Where rights or grants are checked, `known` is ignored:
        advancing is a write, and a caller with the right to read could ask for it."""
        if await self._check(access, sid, Right.READ) is not None or access.is_scoped:
            return await self.get(access, sid)
        return (await self._objects.advance(self._at(access, sid), known)).state

    async def _author(self, access: Access, address: str, right: Right) -> Author:
        """The caller as the author of a change of the object as a whole."""
        # The script compares the creator of an object whose type has no permissions (rights.lua).
        return access.author(await access.check(self.type, address, right))

    async def _check(
        self, access: Access, address: str | None, right: Right, granted: Right | None = None
    ) -> Right | None:
        """As `Access.check`; None for a type without permissions."""
        needs = await access.check(self.type, address, right, granted)
        return needs if self.type.has_permissions else None

    def _at(self, access: Access, address: str) -> ObjectAddress:
        return ObjectAddress(access.service_sid, self.type, address)


def _written(outcome: Outcome) -> HeaderWritten:
    return HeaderWritten(outcome.state, outcome.is_repeated)
