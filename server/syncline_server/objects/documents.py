"""Operations that only documents have: their data and patches, and writes in turn."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from syncline_protocol.commands import Create, Get, Open, Remove, SetTtl, Write
from syncline_protocol.documents import Document, Patch, Set, Updated
from syncline_protocol.errors import Refusal
from syncline_protocol.objects import DOCUMENT
from syncline_server.storage.objects import NewObject
from syncline_server.storage.results import Written, mismatch
from syncline_server.storage.rights import Right

from .access import Access
from .contended_writes import Client, ContendedWrites, blocking, turn_key
from .headers import Headers, HeaderSource
from .patches import check_size
from .work import work_of_patch, work_on_data

if TYPE_CHECKING:
    from syncline_server.backend import Backend

__all__ = ["DocumentSource", "Documents"]


class DocumentSource(HeaderSource[Document]):
    """As `HeaderSource`; the event that catches up has the data."""

    def _event(self, state: Document, previous: int) -> Updated:
        return Updated.of(state, previous, data=state.data, expires_ms=state.expires_ms)


class Documents(Headers[Document]):
    """As `Headers`. Writes of one document contend, and may be conditional on its revision."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend, DOCUMENT)
        self.source = DocumentSource(backend.objects, DOCUMENT, backend.hub.now_ms)
        self.handlers = {**self.handlers, Set: self.set, SetTtl: self.set, Patch: self.patch}
        self._patch_steps = backend.settings.patch_steps
        self._patch_batcher = backend.patch_batcher
        self._turns = backend.turns
        self._newest_known = backend.hub.newest_known
        self._writes = ContendedWrites(backend.turns, self._read_again, _lost)

    def _new(self, command: Create | Open) -> NewObject:
        return replace(super()._new(command), data=command.data)

    async def get_in_turn(
        self, access: Access, address: str, client: Client | None
    ) -> tuple[Document, bool]:
        """As in `Operations`."""
        newest = await self._writes.take_turn(access, Get(address), client)
        if newest is None:
            return await self.get(access, address), False
        return newest, True

    async def set(
        self, access: Access, command: Set | SetTtl, client: Client | None = None
    ) -> Written[Document]:
        """Replace the data, the expiry or both, in turn with rivals; requires the right to write.

        Raises:
            Refusal: `REVISION_MISMATCH`; without the document if the caller lacks the right to
                read.
        """
        return await self._writes.carry_out(access, command, client, self._set)

    async def set_ttl(
        self, access: Access, command: SetTtl, client: Client | None = None
    ) -> Written[Document]:
        """As `set`."""
        return await self.set(access, command, client)

    async def _set(self, access: Access, command: Set | SetTtl) -> Written[Document]:
        author = await self._author(access, command.address, Right.WRITE)
        data = command.data if isinstance(command, Set) else None
        try:
            written = await self._objects.update(
                self._at(access, command.address),
                author,
                data=data,
                ttl=command.ttl,
                if_match=command.if_match,
                op=command.op,
            )
        except Refusal as refusal:
            raise await self._refused(refusal, access, command) from None
        if data is None and not access.shows(DOCUMENT, command.address):
            written = replace(written, state=replace(written.state, data=b""))
        return await self._with_data(access, written)

    async def patch(
        self, access: Access, command: Patch, client: Client | None = None
    ) -> Written[Document]:
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
            access.allowance.charge(work_on_data(len(written.state.data)))
            return await self._with_data(access, written)

    async def remove(
        self, access: Access, command: Remove, client: Client | None = None
    ) -> Written[Document]:
        """Remove the document; requires the right to manage. Raises as `set`."""
        return await self._writes.carry_out(access, command, client, self._remove)

    async def _remove(self, access: Access, command: Remove) -> Written[Document]:
        try:
            return await super().remove(access, command)
        except Refusal as refusal:
            raise await self._refused(refusal, access, command) from None

    async def _refused(
        self, refusal: Refusal, access: Access, command: Set | SetTtl | Remove
    ) -> Refusal:
        """The refusal, without the newest document if grants do not allow reading it."""
        newest: Document | None = refusal.newest
        if newest is None:
            return refusal
        if not access.shows(DOCUMENT, command.address):
            return mismatch(DOCUMENT, command.if_match, None)
        known = self._newest_known(newest.sid)
        if newest.revision >= known:
            return refusal
        # A failover lost writes that clients of this process have seen. None of them may be shown
        # an older state: the stored one gets a newer revision first (promises 2 and 4).
        newest = (await self._objects.advance(self._at(access, newest.sid), known)).state
        return mismatch(DOCUMENT, command.if_match, newest)

    async def _read_again(self, access: Access, address: str, _: str | None) -> Document:
        return await self.get(access, address)

    async def _with_data(self, access: Access, written: Written[Document]) -> Written[Document]:
        """Fill in the data from Redis if the document is still at the revision of the write."""
        if written.state.data:
            return written
        try:
            newest = await self.get(access, written.state.sid)
        except Refusal as refusal:
            if refusal.code.retry:
                raise
            return written  # removed meanwhile, or this identity may not read it
        if newest.revision != written.state.revision:
            return written
        return replace(written, state=newest)


def _lost(command: Write, newest: Document | None) -> Refusal:
    return mismatch(DOCUMENT, command.if_match, newest)
