"""What callers do with the items of lists and maps."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.item_commands import (
    BatchItems,
    GetItem,
    GetItems,
    ItemOperation,
    ItemQuery,
    Part,
    PatchItem,
    Verb,
    WriteItem,
)
from syncline_protocol.items import Change, ChangeKind, Item
from syncline_protocol.objects import Header, ObjectType
from syncline_server.storage.author import Author
from syncline_server.storage.item_refusals import (
    ItemRefused,
    ItemState,
    absent_item,
    item_mismatch,
)
from syncline_server.storage.items import ItemPage, ItemsWritten, Replay
from syncline_server.storage.items import Items as StoredItems
from syncline_server.storage.operations import patch_fingerprint
from syncline_server.storage.rights import Right

from .access import Access
from .contended_writes import Client, ContendedWrites, blocking, turn_key
from .headers import Headers
from .item_source import ItemSource
from .patches import check_size, patched
from .replays import Replays
from .work import work_of_patch, work_on_data

if TYPE_CHECKING:
    from syncline_server.backend import Backend

__all__ = ["ItemWritten", "Items"]

NEVER = 0
"""A revision that no item has."""


@dataclass(frozen=True, slots=True)
class ItemWritten:
    """A write of one item, which was applied.

    Attributes:
        header: of the collection, after the write.
        change: of the item. Its data is `b""` if the write is a repetition and removed the item.
        repeated: True if the operation id showed that the write had been applied before.
    """

    header: Header
    change: Change
    repeated: bool

    @property
    def kind(self) -> ChangeKind:
        """What happened to the item."""
        return self.change.kind

    @property
    def item(self) -> Item:
        """The item after the write; of a removal, its last state at the removal's revision."""
        return self.change.item

    @property
    def marks(self) -> tuple[Hashable, ...]:
        """As in `Marked`."""
        return (self.header.revision,)

    @property
    def state(self) -> ItemState:
        """As in `WriteResult`."""
        return ItemState(self.header, self.change.item)


class Items(Headers[Header]):
    """Operations on the items of one type of collection, and on the collections as a whole.

    Raises as `Headers`. `client` is the caller's connection; None for a caller without one. Writes
    of one item contend for that item alone.
    """

    def __init__(self, backend: Backend, type_: ObjectType) -> None:
        super().__init__(backend, type_)
        self.source = ItemSource(backend, type_)
        self.replays = Replays(self, backend.meters.limit_hits)
        self.handlers = {
            **self.handlers,
            GetItem: self._get_item,
            GetItems: self._get_items,
            WriteItem: self.write,
            PatchItem: self.patch,
            BatchItems: self.batch,
        }
        self._items: StoredItems = backend.items
        self._turns = backend.turns
        self._work = backend.work
        self._settings = backend.settings
        self._writes = ContendedWrites(backend.turns, self._read_again, item_mismatch)

    async def item(self, access: Access, address: str, key: str) -> tuple[Header, Item]:
        """The collection and one item of it; requires the right to read."""
        needs = await self._check(access, address, Right.READ)
        at = self._at(access, address)
        header, item = await self._items.get(at, key, access.author(needs))
        if item is None:
            raise absent_item(self.type, key)
        return header, item

    async def items(
        self, access: Access, address: str, query: ItemQuery, part: Part | None = None
    ) -> ItemPage:
        """A page of items, of those in `part`; requires the right to read."""
        needs = await self._check(access, address, Right.READ)
        keys = None
        if part is not None:
            keys = part.keys
            query = replace(query, prefix=query.prefix or part.prefix)
        at = self._at(access, address)
        return await self._items.page(at, query, access.author(needs), keys)

    async def _get_item(
        self, access: Access, command: GetItem, client: Client | None = None
    ) -> ItemState:
        return ItemState(*await self.item(access, command.address, command.item_key))

    async def _get_items(
        self, access: Access, command: GetItems, client: Client | None = None
    ) -> ItemPage:
        return await self.items(access, command.address, command.query, command.part)

    async def changes_since(self, access: Access, address: str, revision: int) -> Replay:
        """A portion of what changed since a revision; requires the right to read."""
        needs = await self._check(access, address, Right.READ)
        at = self._at(access, address)
        return await self._items.changes_since(at, revision, access.author(needs))

    async def write(
        self, access: Access, command: WriteItem, client: Client | None = None
    ) -> ItemWritten:
        """Write one item, in turn with rivals; requires the right to write.

        Raises:
            ItemRefused: the item exists, does not exist, or is at another revision; without the
                item if the caller lacks the right to read.
        """
        return await self._writes.carry_out(access, command, client, self._write)

    async def _write(self, access: Access, command: WriteItem) -> ItemWritten:
        written = await self._commit(access, command, (command.operation,))
        return await self._complete(access, command.address, written, command.data)

    async def batch(
        self, access: Access, command: BatchItems, client: Client | None = None
    ) -> ItemsWritten:
        """Write several items in one commit: all of them, or none; requires the right to write."""
        with blocking(client, command):
            return await self._commit(access, command, command.operations)

    async def _commit(
        self,
        access: Access,
        command: WriteItem | BatchItems,
        operations: tuple[ItemOperation, ...],
    ) -> ItemsWritten:
        needs = await self._check(access, command.address, Right.WRITE)
        try:
            return await self._items.write(
                self._at(access, command.address),
                operations,
                access.author(needs),
                collection_ttl=command.collection_ttl,
                op=command.op,
            )
        except ItemRefused as refusal:
            if access.shows(self.type, command.address):
                raise
            raise refusal.without_item() from None

    async def patch(
        self, access: Access, command: PatchItem, client: Client | None = None
    ) -> ItemWritten:
        """Apply a patch to the newest data, and once more each time another writer was quicker.

        Requires the rights to read and to write: that a patch fits reveals what the data is.

        Raises:
            Refusal: `CONFLICT` if the patch does not fit the data; `TOO_LARGE`;
                `TOO_MANY_REQUESTS` if other writers were quicker every time.
        """
        # A patch never waits for a turn of this client, so events are blocked from here on.
        with blocking(client, command):
            needs = await self._check(access, command.address, Right.READ | Right.WRITE)
            check_size(command.body, self._settings.patch_steps)
            access.allowance.take(work_of_patch(command.body))
            key = turn_key(access, command)
            # The patch would wait for the client's own turn, if it has one (`wait_to_patch`).
            self._turns.give_up(key, client)
            patcher = object()
            await self._turns.wait_to_patch(key, patcher)
            newest: ItemState | None = None
            try:
                written = await self._patch(access, command, access.author(needs))
                newest = written.state
            finally:
                self._turns.end_patch(key, patcher, newest)
            access.allowance.charge(work_on_data(len(written.item.data)))
            return written

    async def _patch(self, access: Access, command: PatchItem, author: Author) -> ItemWritten:
        for _ in range(self._settings.patch_attempts):
            header, item = await self._items.get(
                self._at(access, command.address), command.item_key, author
            )
            try:
                # Another process can write between the read and the commit. The commit is
                # conditional on the revision that was read, so a lost race is refused.
                data, revision = await self._patched(command, ItemState(header, item))
            except Refusal:
                # A repetition may be refused for what its first attempt did: the patch no longer
                # fits the data, or the item is removed. Its operation id gives the first answer.
                first = await self._first_answer(access, command, author)
                if first is None:
                    raise
                return first
            try:
                written = await self._commit_patch(
                    access, command, author, data=data, revision=revision
                )
            except ItemRefused as refusal:
                if refusal.newest is None or command.if_match is not None:
                    raise
                continue  # no pause: the next read brings the newest state
            return written
        raise Refusal(
            Code.TOO_MANY_REQUESTS,
            f"Other writers were quicker {self._settings.patch_attempts} times; nothing changed.",
        )

    async def _patched(self, command: PatchItem, state: ItemState) -> tuple[bytes, int]:
        """The patched data of an item, and the revision of the data before."""
        item = state.item
        if item is None:
            raise absent_item(self.type, command.item_key)
        if command.if_match not in (None, item.revision):
            raise item_mismatch(command, state)
        # Apply the patch once the event loop has time for the work.
        await self._work.turn(work_of_patch(command.body) + work_on_data(len(item.data)))
        settings = self._settings
        data = patched(item.data, command.body, settings.item_limit, settings.patch_steps)
        return data, item.revision

    async def _commit_patch(
        self,
        access: Access,
        command: PatchItem,
        author: Author,
        *,
        data: bytes | None,
        revision: int,
    ) -> ItemWritten:
        operation = ItemOperation(
            verb=Verb.UPDATE,
            key=command.item_key,
            data=data,
            ttl=command.ttl,
            if_match=revision,
        )
        fingerprint = None
        if command.op is not None:
            target = f"\n{command.item_key}\n{command.collection_ttl}"
            fingerprint = patch_fingerprint(command.body, command.ttl, command.if_match, target)
        written = await self._items.write(
            self._at(access, command.address),
            [operation],
            author,
            collection_ttl=command.collection_ttl,
            op=command.op,
            fingerprint=fingerprint,
        )
        return await self._complete(access, command.address, written)

    async def _first_answer(
        self, access: Access, command: PatchItem, author: Author
    ) -> ItemWritten | None:
        """The answer to this operation if it was applied before; None if it was not."""
        if command.op is None:
            return None
        try:
            # The script looks up the operation id before it compares the revision. Without a record
            # of it, no item is at `NEVER`, and nothing is written.
            return await self._commit_patch(access, command, author, data=None, revision=NEVER)
        except ItemRefused:
            return None

    async def _complete(
        self, access: Access, address: str, written: ItemsWritten, data: bytes | None = None
    ) -> ItemWritten:
        """The write of one item, with the data that the caller may see.

        Args:
            data: what the caller wrote; None if it may not be known here.
        """
        change, item = written.changes[-1], written.changes[-1].item
        removed = change.kind is ChangeKind.REMOVED
        if not removed and data is not None and not written.is_repeated:
            return ItemWritten(written.header, change, repeated=False)
        # The right to write does not include the right to read: read the data with the caller's
        # rights. They are those of this write if the item is at its revision still.
        shown = b""
        try:
            if not removed:
                _, newest = await self.item(access, address, item.key)
                shown = newest.data if newest.revision == item.revision else b""
        except Refusal as refusal:
            if refusal.code.retry:
                raise  # else: removed meanwhile, or this identity may not read it
        change = replace(change, item=replace(item, data=shown))
        return ItemWritten(written.header, change, repeated=written.is_repeated)

    async def _read_again(self, access: Access, address: str, key: str | None) -> ItemState:
        needs = await self._check(access, address, Right.READ)
        at = self._at(access, address)
        return ItemState(*await self._items.get(at, key or "", access.author(needs)))
