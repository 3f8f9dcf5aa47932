"""What a reader of a collection receives: a first page, or what changed since it was here."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from syncline_protocol import revisions
from syncline_protocol.commands import Open
from syncline_protocol.item_commands import OpenCollection, Part
from syncline_protocol.items import Change, ChangeKind, Item, ItemsChanged
from syncline_protocol.objects import Header
from syncline_server.observability.metrics import Limit
from syncline_server.storage.items import ItemPage, Replay
from syncline_server.storage.records import Tombstone

from .access import Access

if TYPE_CHECKING:
    from .items import Items

__all__ = ["Contents", "Replays", "part_of", "replayed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What the reply to `Open` has of a collection, read in one step; a page beside a replay later.

    Attributes:
        state: the header.
        items: the first page; None if none was asked for.
        replay: what changed since the client's revision, or the first portion of it; None if the
            client named no revision, or no item has changed.
    """

    state: Header
    items: ItemPage | None = None
    replay: Replay | None = None


class Replays:
    """Reads the collections of one type for readers that join or have fallen behind.

    Methods require the right to read, and raise `Refusal` as `Items`.
    """

    def __init__(self, items: Items, limit_hits: Counter[Limit]) -> None:
        """`limit_hits`: counts under `tombstones` the readers that must read everything again."""
        self._items = items
        self._limit_hits = limit_hits

    async def contents(self, access: Access, sid: str, command: Open) -> Contents:
        """What the reply to `command` has of the collection with this SID."""
        query = command.items if isinstance(command, OpenCollection) else None
        if command.revision is not None:
            contents = await self._since(access, sid, command.revision, command)
            if query is None:
                return contents
            # After the changes: what the page lacks of them was removed since, by later events.
            page = await self._items.items(access, sid, query, part_of(command))
            return replace(contents, items=page)
        if query is None:
            return Contents(state=await self._items.get(access, sid))
        page = await self._items.items(access, sid, query, part_of(command))
        return Contents(state=page.header, items=page)

    async def read(self, access: Access, sid: str, revision: int) -> Replay:
        """A portion of what changed since a revision."""
        replay = await self._items.changes_since(access, sid, revision)
        if replay.is_reset:
            self._limit_hits[Limit.TOMBSTONES] += 1
        return replay

    async def _since(self, access: Access, sid: str, revision: int, command: Open) -> Contents:
        replay = await self.read(access, sid, max(0, revision))
        header = replay.header
        if command.address != sid and 0 < revision < revisions.lowest_at(header.created_ms):
            # By its name: the revision is of an earlier collection with that name, which was
            # removed. The client has its items, and no change removes them.
            other = replace(replay, changes=(), more_since=None, is_reset=True)
            return Contents(state=header, replay=other)
        if revision > header.revision:
            # A failover lost writes that the client has received. Give the stored state a newer
            # revision (promise 2), and let the client read it again.
            header = await self._items.advance(access, sid, revision)
            lost = Replay(header=header, changes=(), more_since=None, is_reset=True)
            return Contents(state=header, replay=lost)
        if (part := part_of(command)) is not None:
            kept = tuple(each for each in replay.changes if part.has(each.key))
            replay = replace(replay, changes=kept)
        is_empty = not (replay.changes or replay.is_reset or replay.more_since is not None)
        return Contents(state=header, replay=None if is_empty else replay)


def part_of(command: Open) -> Part | None:
    """The part of a collection that a command opens; None for all of an object."""
    return command.part if isinstance(command, OpenCollection) else None


def replayed(replay: Replay, since: int, revision: int | None = None) -> ItemsChanged | None:
    """The event that reports a portion of changes; None if it has none.

    Args:
        since: the revision that the reader has.
        revision: that of the event; None for that of the last change.
    """
    if not replay.changes:
        return None
    header = replay.header
    return ItemsChanged.of(
        header,
        since,
        revision=replay.changes[-1].revision if revision is None else revision,
        changes=tuple(_change(each, since) for each in replay.changes),
        expires_ms=header.expires_ms,
    )


def _change(state: Item | Tombstone, since: int) -> Change:
    """The change that brings a reader from revision `since` to this state of an item."""
    if isinstance(state, Tombstone):
        return Change(kind=ChangeKind.REMOVED, item=state.as_item())
    kind = ChangeKind.ADDED if state.born > since else ChangeKind.UPDATED
    return Change(kind=kind, item=state)
