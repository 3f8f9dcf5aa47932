"""Items of lists and maps in Redis: pages, commits, and what changed since a revision."""

from __future__ import annotations

import operator
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from syncline_protocol.errors import Code, Refusal, codes_of
from syncline_protocol.item_commands import ItemOperation, ItemQuery
from syncline_protocol.item_keys import INDEX_DIGITS
from syncline_protocol.items import Change, ChangeKind, Item
from syncline_protocol.objects import LIST, SYSTEM, Header, ObjectType
from syncline_server.config.settings import Settings

from . import operations
from .author import Author
from .away_names import AwayNames
from .commit import Commit
from .item_refusals import refused_write
from .keys import ObjectAddress
from .objects import Objects
from .records import Tombstone, unpack_record
from .redis.client import Redis
from .redis.connection import Argument
from .replies import HEADER_LENGTH, Reply, state_of
from .results import absent
from .scripts import ITEM_SCRIPTS, Script

__all__ = [
    "ItemPage",
    "Items",
    "ItemsWritten",
    "Replay",
]

JsonObject = dict[str, Any]

INDEX_FORMAT = f"%0{INDEX_DIGITS}.0f"

PAGE_BYTES = 1_048_576
"""Bytes of items after which a page ends early."""

REPLAY_ITEMS = 100
REPLAY_BYTES = 524_288
"""Changes, and their bytes, that one run of the replay script returns, at most: a longer run would
delay every other commit of the shard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemPage:
    """Items in the order of a query.

    Attributes:
        header: of the collection, read in the same step.
        next_key: the key after which more items follow; None if none follow.
    """

    header: Header
    items: tuple[Item, ...]
    next_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemsWritten:
    """A commit of items that was applied.

    Attributes:
        header: of the collection, after the commit.
        changes: in order of revision. Their data is `b""` if the commit is a repetition.
        is_repeated: True if the operation id showed that the commit had been applied before.
    """

    header: Header
    changes: tuple[Change, ...]
    is_repeated: bool

    @property
    def marks(self) -> tuple[Hashable, ...]:
        """As in `objects.contended_writes.Marked`."""
        return tuple(each.item.revision for each in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What changed in a collection since a revision.

    Attributes:
        changes: live items at their newest state, and removals, in order of revision.
        more_since: the revision from which to read on; None if this is all.
        is_reset: True if removals since then are not known any more: read all pages again.
    """

    header: Header
    changes: tuple[Item | Tombstone, ...]
    more_since: int | None
    is_reset: bool


class Items:
    """The items of all lists and maps.

    Every method raises `Refusal`: `UNAVAILABLE` while Redis is away, the type's code for a
    collection that does not exist, `ACCESS_FORBIDDEN` if the author lacks the rights.
    """

    def __init__(self, redis: Redis, objects: Objects, settings: Settings) -> None:
        self._names = AwayNames(redis)
        self._committer = objects.committer
        self._limits: dict[str, Argument] = {
            "max_items": settings.items_limit,
            "max_bytes": settings.collection_bytes,
            "max_tombstones": settings.tombstones,
            "tombstone_ms": settings.tombstone_age * 1000,
        }

    async def get(self, at: ObjectAddress, key: str, author: Author) -> tuple[Header, Item | None]:
        """The collection, and its item with this key; None if there is none."""
        header, reply = await self._read(ITEM_SCRIPTS[at.type.name].page, at, author, {"key": key})
        items = _items(reply[1:])
        return header, items[0] if items else None

    async def page(
        self,
        at: ObjectAddress,
        query: ItemQuery,
        author: Author,
        keys: Collection[str] | None = None,
    ) -> ItemPage:
        """The items that a query asks for; of these, only those with `keys` if they are given."""
        asked: dict[str, Argument | None] = {
            "from": _start(query),
            "after": None if query.is_inclusive else 1,
            "reverse": 1 if query.is_descending else None,
            "prefix": query.prefix,
            "keys": None if keys is None else orjson.dumps(_in_order(query, keys)),
            "count": query.size,
            "bytes": PAGE_BYTES,
        }
        header, reply = await self._read(ITEM_SCRIPTS[at.type.name].page, at, author, asked)
        return ItemPage(header=header, items=_items(reply[1:]), next_key=reply[0].decode() or None)

    async def changes_since(self, at: ObjectAddress, revision: int, author: Author) -> Replay:
        """What changed since a revision, in portions."""
        asked: dict[str, Argument | None] = {
            "since": revision,
            "count": REPLAY_ITEMS,
            "bytes": REPLAY_BYTES,
        }
        header, reply = await self._read(ITEM_SCRIPTS[at.type.name].replay, at, author, asked)
        state, records = reply[0], reply[1:]
        return Replay(
            header=header,
            changes=tuple(
                unpack_record(key, record)
                for key, record in zip(records[::2], records[1::2], strict=True)
            ),
            more_since=int(float(state)) if state and state != b"reset" else None,
            is_reset=state == b"reset",
        )

    async def write(
        self,
        at: ObjectAddress,
        writes: Sequence[ItemOperation],
        author: Author,
        *,
        collection_ttl: int | None = None,
        op: str | None = None,
        fingerprint: str | None = None,
    ) -> ItemsWritten:
        """Write items in one commit: all of them, or none.

        Raises:
            ItemRefused: an item exists, does not exist, or is at another revision.
            Refusal: `TOO_LARGE` if the collection would hold more than the limits allow.
        """
        heads = [_head(write) for write in writes]
        if fingerprint is None:
            fingerprint = "" if op is None else _fingerprint(heads, writes, collection_ttl)
        ttls = (collection_ttl, *(write.ttl for write in writes))
        reply = await self._committer.apply(
            Commit(
                at=at,
                script=ITEM_SCRIPTS[at.type.name].write,
                verb="write_items",
                reads=ITEM_SCRIPTS[at.type.name].outcome,
                author=author,
                # The earliest of the new expiries: the sweeper looks at the bucket then.
                ttl=min((ttl for ttl in ttls if ttl), default=None),
                op=op,
                fingerprint=fingerprint,
                parameters=self._parameters(at.type, heads)
                | {"collection_ttl": collection_ttl}
                | {f"data{n}": write.data for n, write in enumerate(writes, 1)},
            )
        )
        match reply[0]:
            case b"item":
                raise refused_write(at.type, reply, writes)
            case b"full":
                raise self._full(at.type, reply[HEADER_LENGTH])
        return _written(at.type, reply)

    async def expire(self, at: ObjectAddress, keys: Sequence[str], author: Author) -> None:
        """Remove those items that are past their expiry, and notify the subscribers.

        Takes what has no such expiry, or whose collection is gone, off the index of expiries.
        """
        await self._maintain(at, [{"v": "expire", "k": key} for key in keys], author, brief=1)

    async def advance(self, at: ObjectAddress, lost: Mapping[str, int]) -> Header | None:
        """Give items a revision beyond the one that a client received and a failover lost.

        Args:
            lost: that revision, by the item's key.

        Returns:
            the collection after that; None if no revision was lost.
        """
        heads = [{"v": "advance", "k": key, "m": revision} for key, revision in lost.items()]
        written = await self._maintain(at, heads, Author(identity=SYSTEM))
        return None if written is None or not written.changes else written.header

    async def _maintain(
        self, at: ObjectAddress, heads: list[JsonObject], author: Author, **parameters: Argument
    ) -> ItemsWritten | None:
        """Commit what no client asked for; a collection that is gone needs none of it."""
        try:
            reply = await self._committer.apply(
                Commit(
                    at=at,
                    script=ITEM_SCRIPTS[at.type.name].write,
                    verb="maintain_items",
                    is_idempotent=True,
                    author=author,
                    parameters=self._parameters(at.type, heads) | parameters,
                )
            )
        except Refusal as refusal:
            if refusal.code is not codes_of(at.type).absent:
                raise
            return None
        return _written(at.type, reply)

    def _parameters(self, type_: ObjectType, heads: list[JsonObject]) -> dict[str, Argument | None]:
        return self._limits | {
            "writes": orjson.dumps(heads),
            "index_format": INDEX_FORMAT if type_ is LIST else None,
        }

    async def _read(
        self,
        script: Script,
        at: ObjectAddress,
        author: Author,
        asked: dict[str, Argument | None],
    ) -> tuple[Header, list[bytes]]:
        """The header of a collection, and what a script returned behind it."""
        who, needs = author.identity, author.needs
        reply = await self._names.read(script, at, who, needs, asked=asked)
        if reply[0] != b"ok":
            raise absent(at.type, at.address)
        return state_of(at.type, reply), reply[HEADER_LENGTH:]

    def _full(self, type_: ObjectType, limit: bytes) -> Refusal:
        name = limit.decode()
        unit = "items" if name == "max_items" else "bytes of items"
        return Refusal(
            Code.TOO_LARGE,
            f"A {type_.name} holds at most {self._limits[name]!s} {unit}; nothing was changed.",
        )


def _start(query: ItemQuery) -> str | None:
    """The key with which the script begins; None for the edge of the prefix, or of all keys."""
    start, prefix = query.start, query.prefix or ""
    if start is None or start.startswith(prefix):
        return start
    # Before the prefix in the order of the query: the page begins with the first of the prefix.
    return None if (start < prefix) is not query.is_descending else start


def _in_order(query: ItemQuery, keys: Collection[str]) -> list[str]:
    """Those of the keys that a page can have, in its order.

    The order of code points, in Python, is that of UTF-8 bytes, in Redis.
    """
    start, has_passed = query.start, operator.gt if query.is_descending else operator.lt
    return [
        key
        for key in sorted(keys, reverse=query.is_descending)
        if key.startswith(query.prefix or "")
        and (start is None or not has_passed(key, start))
        and (query.is_inclusive or key != start)
    ]


def _head(write: ItemOperation) -> JsonObject:
    head: JsonObject = {
        "v": write.verb.value,
        "k": write.key,
        "t": write.ttl,
        "m": write.if_match,
    }
    # An absent member and null differ in Lua.
    return {name: value for name, value in head.items() if value is not None}


def _fingerprint(
    heads: list[JsonObject], writes: Sequence[ItemOperation], collection_ttl: int | None
) -> str:
    body = orjson.dumps(heads) + b"".join(b"\n" + (write.data or b"") for write in writes)
    return operations.fingerprint("write_items", body, collection_ttl, None)


def _items(records: list[bytes]) -> tuple[Item, ...]:
    pairs = zip(records[::2], records[1::2], strict=True)
    found = (unpack_record(key, record) for key, record in pairs)
    return tuple(each for each in found if isinstance(each, Item))


def _written(type_: ObjectType, reply: Reply) -> ItemsWritten:
    rest = reply[HEADER_LENGTH:]
    return ItemsWritten(
        header=state_of(type_, reply),
        changes=tuple(_change(rest[n : n + 5]) for n in range(0, len(rest), 5)),
        is_repeated=reply[0] == b"repeated",
    )


def _change(elements: list[bytes]) -> Change:
    kind, expired, key, record, data = elements
    item = unpack_record(key, record)
    if isinstance(item, Tombstone):
        item = item.as_item(data)
    return Change(kind=ChangeKind(kind.decode()), item=item, expired=expired == b"1")
