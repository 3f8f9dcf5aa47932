"""Operations of documents, and how open documents catch up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from syncline_protocol import fields
from syncline_protocol.commands import Command, Create, Mode, Open, Remove, SetTtl, Write
from syncline_protocol.documents import Document, Patch, Set, Updated
from syncline_protocol.errors import Refusal
from syncline_protocol.objects import DOCUMENT, Event
from syncline_protocol.sids import is_sid
from syncline_server.pubsub.topic import Topic
from syncline_server.storage import documents as storage
from syncline_server.storage.documents import NewDocument, as_written
from syncline_server.storage.paging import Page
from syncline_server.storage.results import (
    Written,
    absent,
    forbidden,
    mismatch,
    name_taken,
    sid_forbidden,
)
from syncline_server.storage.rights import Right

from .access import Access
from .contended_writes import Client, ContendedWrites, blocking, turn_key
from .patches import check_size
from .work import work_of_patch, work_on_data

if TYPE_CHECKING:
    from syncline_server.backend import Backend

    from .registry import Handler
    from .replays import Replays

__all__ = ["DocumentSource", "Documents"]


class DocumentSource:
    """The stored documents, as the hub reads them."""

    def __init__(self, documents: storage.Documents, now_ms: Callable[[], int]) -> None:
        """`now_ms`: the time of Redis."""
        self._documents = documents
        self._now_ms = now_ms

    async def header(self, service_sid: str, sid: str) -> Document | None:
        """As in `catch_up.Source`."""
        return await self._documents.get(service_sid, sid)

    async def missed(self, topic: Topic) -> AsyncIterator[Event]:
        """The newest state, which replaces all events that were missed."""
        service_sid, sid = topic.service_sid, topic.sid
        document = await self._documents.get(service_sid, sid)
        # A reply or an event may have raised this after the read. `advance` then finds the stored
        # state new enough, and changes nothing.
        newest = topic.newest_known
        # A failover lost writes that subscribers have seen. Write the stored state at a newer
        # revision, else they would take it for an old one (promise 2).
        if document is not None and document.revision < newest:
            document = await self._documents.advance(service_sid, sid, newest)
        if document is not None:
            yield Updated(
                sid=document.sid,
                unique_name=document.unique_name,
                revision=document.revision,
                previous=topic.revision,
                at_ms=document.updated_ms,
                by=document.updated_by,
                data=document.data,
                expires_ms=document.expires_ms,
            )
        else:
            yield topic.make_removal(self._now_ms())


class Documents:
    """What callers do with documents: the interface of every route and wire.

    Every method raises `Refusal`: `UNAVAILABLE` while Redis is away, what `Access.check` raises,
    and the codes that it lists. `address` is a SID or a unique name. A document that does not exist
    raises `DOCUMENT_NOT_FOUND` or `NAME_NOT_FOUND`, by the form of the address. `client` is the
    connection of the caller; None for a caller without one.
    """

    def __init__(self, backend: Backend) -> None:
        self.source = DocumentSource(backend.documents, backend.hub.now_ms)
        self.replays: Replays | None = None
        self.handlers: Mapping[type[Command], Handler[Any]] = {
            Create: self.create,
            Set: self.set,
            SetTtl: self.set,
            Patch: self.patch,
            Remove: self.remove,
        }
        self._documents = backend.documents
        self._chosen_sids = backend.chosen_sids
        self._listing = backend.listing
        self._patch_steps = backend.settings.patch_steps
        self._patch_batcher = backend.patch_batcher
        self._turns = backend.turns
        self._newest_known = backend.hub.newest_known
        self._writes = ContendedWrites(backend.turns, self._read_again, _lost)

    async def get(self, access: Access, address: str) -> Document:
        """The newest state; requires the right to read."""
        needs = await access.check(DOCUMENT, address, Right.READ)
        document = await self._documents.get(access.service_sid, address, access.identity, needs)
        if document is None:
            raise absent(DOCUMENT, address)
        return document

    async def page(self, access: Access, size: int, token: str | None) -> Page[Document]:
        """At most `size` documents (`Listing.page`); raises `INVALID_PAGE_TOKEN`.

        A list would show documents that the caller may not read. So a token holder may not list
        where permissions are checked, nor with grants that do not include reading all documents,
        those without a name among them.
        """
        if await access.check(DOCUMENT, None, Right.READ) is not None:
            raise forbidden()
        page = await self._listing.page(access.service_sid, DOCUMENT, size, token)
        return cast("Page[Document]", page)

    async def open(self, access: Access, command: Open) -> tuple[Document, bool]:
        """Find or create the document to open. Returns it, and True if it was created."""
        address, mode = command.address, command.mode
        if mode is Mode.OPEN_EXISTING or (address is not None and is_sid(address)):
            return await self.get(access, address or ""), False
        if address is not None:
            fields.unique_name(address, DOCUMENT.name)
        if mode is Mode.CREATE_NEW:
            # Grants must allow writing, to create, and reading, to open.
            written = await self._create(access, command, Right.READ | Right.WRITE)
            return written.document, True
        return await self._find_or_create(access, command)

    async def _find_or_create(self, access: Access, command: Open) -> tuple[Document, bool]:
        """Finding requires the right to read. Creating requires no right, and gives the creator
        all. Grants must allow reading in either case, and writing to create."""
        name = command.address
        needs = await access.check(DOCUMENT, name, Right.READ)
        if access.grants(DOCUMENT, name, Right.WRITE):
            written, created = await self._documents.create(
                access.service_sid, access.author(needs), _new(command)
            )
            return written.document, created
        document = None
        if name is not None:
            document = await self._documents.get(access.service_sid, name, access.identity, needs)
        if document is None:
            raise forbidden()
        return document, False

    async def create(
        self, access: Access, command: Create, client: Client | None = None
    ) -> Written:
        """Create a document; raises `NAME_TAKEN`. Requires no right, and gives the creator all."""
        return await self._create(access, command, Right.WRITE)

    async def create_as(self, access: Access, sid: str, command: Create) -> Written:
        """Create a document under a SID that the caller chose; only for the account.

        Raises:
            Refusal: as `ChosenSids.create`; `FORBIDDEN` for a token holder.
        """
        if access.limited:
            raise sid_forbidden(DOCUMENT)
        author = access.author(None)
        outcome = await self._chosen_sids.create(access.service_sid, sid, author, _new(command))
        return as_written(outcome)

    async def _create(self, access: Access, command: Create | Open, granted: Right) -> Written:
        needs = await access.check(DOCUMENT, command.address, Right.NONE, granted)
        written, created = await self._documents.create(
            access.service_sid, access.author(needs), _new(command)
        )
        if not created:
            raise name_taken(DOCUMENT, command.address)
        return written

    async def set(
        self, access: Access, command: Set | SetTtl, client: Client | None = None
    ) -> Written:
        """Replace the data, the expiry or both, in turn with rivals; requires the right to write.

        Raises:
            Refusal: `REVISION_MISMATCH`; without the document if the caller lacks the right to
                read.
        """
        return await self._writes.carry_out(access, command, client, self._set)

    async def _set(self, access: Access, command: Set | SetTtl) -> Written:
        needs = await access.check(DOCUMENT, command.address, Right.WRITE)
        data = command.data if isinstance(command, Set) else None
        try:
            written = await self._documents.set(
                access.service_sid,
                command.address,
                access.author(needs),
                data=data,
                ttl=command.ttl,
                if_match=command.if_match,
                op=command.op,
            )
        except Refusal as refusal:
            raise await self._refused(refusal, access, command) from None
        if data is None and not access.shows(DOCUMENT, command.address):
            written = replace(written, document=replace(written.document, data=b""))
        return await self._with_data(access, written)

    async def patch(self, access: Access, command: Patch, client: Client | None = None) -> Written:
        """Apply a patch to the newest data, and once more each time another writer was quicker.

        Requires the rights to read and to write: that a patch fits reveals what the data is.

        Raises:
            Refusal: `CONFLICT` if the patch does not fit the data; `TOO_LARGE`;
                `REVISION_MISMATCH` with `if_match`; `TOO_MANY_REQUESTS` if other writers were
                quicker every time.
        """
        # A patch never waits for a turn of this client, so events are blocked from here on.
        with blocking(client, command):
            needs = await access.check(DOCUMENT, command.address, Right.READ | Right.WRITE)
            check_size(command.body, self._patch_steps)
            access.allowance.take(work_of_patch(command.body))
            # The patch would wait for the client's own turn, if it has one (`wait_to_patch`).
            self._turns.give_up(turn_key(access, command), client)
            written = await self._patch_batcher.patch(
                access.service_sid, command, access.author(needs)
            )
            access.allowance.charge(work_on_data(len(written.document.data)))
            return await self._with_data(access, written)

    async def remove(
        self, access: Access, command: Remove, client: Client | None = None
    ) -> Written:
        """Remove the document; requires the right to manage. Raises as `set`."""
        return await self._writes.carry_out(access, command, client, self._remove)

    async def _remove(self, access: Access, command: Remove) -> Written:
        needs = await access.check(DOCUMENT, command.address, Right.MANAGE)
        try:
            return await self._documents.remove(
                access.service_sid,
                command.address,
                access.author(needs),
                if_match=command.if_match,
                op=command.op,
            )
        except Refusal as refusal:
            raise await self._refused(refusal, access, command) from None

    async def advance(self, access: Access, sid: str, known: int) -> Document:
        """The newest state, at a revision beyond `known`, the one that a client has.

        A failover of Redis can lose the last writes. A client that received one of them would
        ignore the stored state as older, so the stored state gets a newer revision. Revisions that
        no server can have given are ignored. Where rights or grants are checked, `known` is ignored
        altogether: advancing is a write, and a caller with the right to read could ask for it.
        """
        needs = await access.check(DOCUMENT, sid, Right.READ)
        if needs is not None or access.is_scoped:
            return await self.get(access, sid)
        return await self._documents.advance(access.service_sid, sid, known)

    async def _refused(
        self, refusal: Refusal, access: Access, command: Set | SetTtl | Remove
    ) -> Refusal:
        """The refusal, without the newest document if grants do not allow reading it."""
        newest: Document | None = refusal.document
        if newest is None:
            return refusal
        if not access.shows(DOCUMENT, command.address):
            return mismatch(DOCUMENT, command.if_match, None)
        known = self._newest_known(newest.sid)
        if newest.revision >= known:
            return refusal
        # A failover lost writes that clients of this process have seen. None of them may be shown
        # an older state: the stored one gets a newer revision first (promises 2 and 4).
        newest = await self._documents.advance(access.service_sid, newest.sid, known)
        return mismatch(DOCUMENT, command.if_match, newest)

    async def _read_again(self, access: Access, address: str, _: str | None) -> Document:
        return await self.get(access, address)

    async def _with_data(self, access: Access, written: Written) -> Written:
        """Fill in the data from Redis if the document is still at the revision of the write."""
        if written.document.data:
            return written
        try:
            newest = await self.get(access, written.document.sid)
        except Refusal as refusal:
            if refusal.code.retry:
                raise
            return written  # removed meanwhile, or this identity may not read it
        if newest.revision != written.document.revision:
            return written
        return replace(written, document=newest)


def _lost(command: Write, newest: Document | None) -> Refusal:
    return mismatch(DOCUMENT, command.if_match, newest)


def _new(command: Create | Open) -> NewDocument:
    return NewDocument(name=command.address, data=command.data, ttl=command.ttl, op=command.op)
