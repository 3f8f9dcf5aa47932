"""Operations of lists, maps and their items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncline_protocol.errors import TYPE_CODES, Code, Refusal
from syncline_protocol.fields import show
from syncline_protocol.item_types import item_type
from syncline_protocol.items import (
    BatchItems,
    ChangeKind,
    Item,
    ItemOperation,
    ItemQuery,
    PatchItem,
    Verb,
    WriteItem,
)
from syncline_protocol.objects import Header, ObjectType
from syncline_server.storage.author import Author
from syncline_server.storage.items import ItemPage, ItemRefused, ItemsWritten
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.operations import patch_fingerprint
from syncline_server.storage.rights import Right

from .access import Access
from .objects import Collections
from .patch_batching import NEVER
from .patches import check_size, patched
from .work import work_of_patch, work_on_data

if TYPE_CHECKING:
    from syncline_server.backend import Backend

__all__ = ["ItemWritten", "Items"]


@dataclass(frozen=True, slots=True)
class ItemWritten:
    """A write of one item that was applied.

    Attributes:
        header: of the collection, after the write.
        item: after the write. Its data is `b""` if the write is a repetition.
        kind: what happened to the item.
        repeated: True if the operation id showed that the write had been applied before.
    """

    header: Header
    item: Item
    kind: ChangeKind
    repeated: bool


class Items(Collections):
    """What callers do with the lists or maps of a service, and with their items.

    Methods about items raise as those about their collection; an item that does not exist raises
    the type's `item_absent`.
    """

    def __init__(self, backend: Backend, type_: ObjectType) -> None:
        super().__init__(backend, type_)
        self._items = backend.items
        self._settings = backend.settings
        self._type = item_type(type_)
        self._work = backend.work

    async def item(self, access: Access, address: str, key: str) -> tuple[Header, Item]:
        """The collection and its item; requires the right to read."""
        needs = await access.check(self.type, address, Right.READ)
        header, item = await self._items.get(self._at(access, address), key, access.author(needs))
        if item is None:
            raise self._absent(key)
        return header, item

    async def items(self, access: Access, address: str, query: ItemQuery) -> ItemPage:
        """The items that a query asks for; requires the right to read."""
        needs = await access.check(self.type, address, Right.READ)
        return await self._items.page(self._at(access, address), query, access.author(needs))

    async def write(self, access: Access, command: WriteItem) -> ItemWritten:
        """Write one item; requires the right to write.

        Raises:
            ItemRefused: with the newest item, unless the caller may not read it.
        """
        needs = await access.check(self.type, command.address, Right.WRITE)
        written = await self._items.write(
            self._at(access, command.address),
            [command.operation],
            access.author(needs),
            collection_ttl=command.collection_ttl,
            op=command.op,
        )
        return await self._with_data(access, written)

    async def patch(self, access: Access, command: PatchItem) -> ItemWritten:
        """Apply a patch to the newest data, and once more each time another writer was quicker.

        Requires the rights to read and to write; raises as `Documents.patch`.
        """
        needs = await access.check(self.type, command.address, Right.READ | Right.WRITE)
        check_size(command.body, self._settings.patch_steps)
        access.allowance.take(work_of_patch(command.body))
        author = access.author(needs)
        try:
            written = await self._patch(access, command, author)
        except Refusal:
            # A repetition may be refused for what its first attempt did: the patch no longer fits
            # the data, or the item is removed. Its operation id gives the first answer.
            first = await self._first_answer(access, command, author)
            if first is None:
                raise
            written = first
        return await self._with_data(access, written)

    async def _patch(self, access: Access, command: PatchItem, author: Author) -> ItemsWritten:
        at = self._at(access, command.address)
        _, item = await self._items.get(at, command.key, author)
        for _ in range(self._settings.patch_attempts):
            if item is None:
                raise self._absent(command.key)
            await self._work.turn(work_of_patch(command.body) + work_on_data(len(item.data)))
            data = patched(
                item.data, command.body, self._settings.item_limit, self._settings.patch_steps
            )
            expected = item.revision if command.if_match is None else command.if_match
            try:
                return await self._write_patched(at, command, author, (data, expected))
            except ItemRefused as refusal:
                if command.if_match is not None:
                    raise
                # No pause: the item in the refusal is the newest now.
                item = refusal.item
        raise Refusal(
            Code.TOO_MANY_REQUESTS,
            f"Other writers were quicker {self._settings.patch_attempts} times; try again.",
        )

    async def _first_answer(
        self, access: Access, command: PatchItem, author: Author
    ) -> ItemsWritten | None:
        """The answer to this operation if it was applied before; None if it was not."""
        if command.op is None:
            return None
        # The script looks up the operation id before it compares the revision. Without a record
        # of it, the condition `NEVER` makes sure that nothing is written.
        at = self._at(access, command.address)
        try:
            return await self._write_patched(at, command, author, (None, NEVER))
        except Refusal as refusal:
            if refusal.code.retry or refusal.code is Code.CONFLICT:
                raise  # CONFLICT: the operation id was used for another request
            return None

    async def _write_patched(
        self,
        at: ObjectAddress,
        command: PatchItem,
        author: Author,
        result: tuple[bytes | None, int],
    ) -> ItemsWritten:
        """Commit the result of a patch: the data, and the revision from which it was made."""
        data, expected = result
        operation = ItemOperation(
            verb=Verb.UPDATE, key=command.key, data=data, ttl=command.ttl, if_match=expected
        )
        return await self._items.write(
            at,
            [operation],
            author,
            collection_ttl=command.collection_ttl,
            op=command.op,
            fingerprint="" if command.op is None else patch_fingerprint(command),
        )

    async def batch(self, access: Access, command: BatchItems) -> ItemsWritten:
        """Write several items, all or none; requires the right to write."""
        needs = await access.check(self.type, command.address, Right.WRITE)
        return await self._items.write(
            self._at(access, command.address),
            command.operations,
            access.author(needs),
            collection_ttl=command.collection_ttl,
            op=command.op,
        )

    async def _with_data(self, access: Access, written: ItemsWritten) -> ItemWritten:
        """Fill in the data from Redis if the item is still at the revision of the write."""
        change = written.changes[-1]
        item = change.item
        if not item.data and change.kind is not ChangeKind.REMOVED:
            try:
                _, newest = await self.item(access, written.header.sid, item.key)
            except Refusal as refusal:
                if refusal.code.retry:
                    raise
                # Removed meanwhile, or the caller may not read it.
            else:
                item = newest if newest.revision == item.revision else item
        return ItemWritten(written.header, item, change.kind, written.is_repeated)

    def _absent(self, key: str) -> Refusal:
        shown = show(self._type.show_id(key))
        return Refusal(
            TYPE_CODES[self.type.name].item_absent,
            f"The {self.type.name} has no item with the {self._type.id_name} {shown}.",
        )
