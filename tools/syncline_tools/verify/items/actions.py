"""What is written to items: one action for each promise, chosen by chance."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from syncline import JsonObject
from syncline_tools.verify.records import Outcome

from .client import ItemWriter
from .collection import Collection
from .operation import ABSENT, Operation
from .records import ItemsAnswered

__all__ = ["CONTENDED", "EXPIRING", "FREE", "GROUP", "LIFE", "PADDING", "Actions", "expires"]

CONTENDED = ("contended-1", "contended-2")
FREE = tuple(f"free/{number} ä%" for number in range(1, 7))
GROUP = tuple(f"group-{number}" for number in range(1, 5))
"""Keys of the items of a map: for conditions, for writes without any, and for batches."""

EXPIRING = "expiring-"
LIFE = 2
"""How the key of an item begins that expires, and the seconds that it lives."""

PADDING = "abc " * 80
"""Text in the data of items, so that they are large enough for deltas."""

TALLY_LIMIT = 40
"""Writes that the data of one item names, at most; the next ones go to another item."""

LIST_LIMIT = 40
"""Items of a list beyond which the oldest are removed; all of a collection fit one page."""

STALE = 1
"""A revision that no item has had since long."""

Act = Callable[[ItemWriter, Collection], Awaitable[None]]


def expires(key: str) -> bool:
    """True for an item that expires: when it is gone, is up to the server's sweep."""
    return key.startswith(EXPIRING)


@dataclass(slots=True, kw_only=True)
class Actions:
    """Each makes the next write of one writer.

    Attributes:
        number: returns the number of the next write.
        write: carries it out.
    """

    chance: random.Random
    number: Callable[[], int]
    write: Callable[[ItemWriter, int, Collection, list[Operation]], Awaitable[ItemsAnswered]]
    _turns: list[Act] = field(default_factory=list)
    _tallied: int = 0
    _tally: int = 1
    _indexes: list[str] = field(default_factory=list)

    async def act_on_map(self, writer: ItemWriter, map_: Collection) -> None:
        """Write something to a map."""
        if not self._turns:
            acts = (
                (3, self.contend),
                (2, self._write_freely),
                (3, self._tally_up),
                (2, self._write_group),
                (1, self._write_refused_group),
                (1, self._expire),
            )
            # In turns, so that short runs have all of them.
            self._turns = [act for count, act in acts for _ in range(count)]
            self.chance.shuffle(self._turns)
        act = self._turns.pop()
        if not writer.can_batch and act in (
            self._tally_up,
            self._write_group,
            self._write_refused_group,
        ):
            act = self.contend
        await act(writer, map_)

    async def act_on_list(self, writer: ItemWriter, list_: Collection) -> None:
        """Write something to a list."""
        chance = self.chance.random()
        if len(self._indexes) > LIST_LIMIT or (self._indexes and chance < 0.2):
            # Claimed before anything is awaited: nobody else removes it too.
            index = self._indexes.pop(0 if chance < 0.5 else -1)
            await self._one(writer, list_, do="remove", key=index)
        elif self._indexes and chance < 0.4:
            index = self.chance.choice(self._indexes)
            await self._one(writer, list_, do="update", key=index)
        else:
            await self._append(writer, list_, 3 if chance > 0.8 and writer.can_batch else 1)

    async def publish(self, writer: ItemWriter, stream: Collection) -> None:
        """Send a message."""
        await self._one(writer, stream, do="publish")

    async def contend(self, writer: ItemWriter, map_: Collection) -> None:
        """Write, remove or create an item on the condition of what this writer knows of it."""
        key = self.chance.choice(CONTENDED)
        known = writer.known.get((map_.sid, key))
        if known is None:
            await self._one(writer, map_, do="put", key=key, if_match=ABSENT)
        elif self.chance.random() < 0.15:
            await self._one(writer, map_, do="remove", key=key, if_match=known)
        else:
            await self._one(writer, map_, do="update", key=key, if_match=known)

    async def _write_freely(self, writer: ItemWriter, map_: Collection) -> None:
        do = self.chance.choice(("put", "put", "put", "add", "remove"))
        await self._one(writer, map_, do=do, key=self.chance.choice(FREE))

    async def _tally_up(self, writer: ItemWriter, map_: Collection) -> None:
        """Add the number of the write to an item: its data names every write that was applied."""
        self._tallied += 1
        if self._tallied > TALLY_LIMIT:
            old, self._tally, self._tallied = self._tally, self._tally + 1, 0
            if old > 1:
                await self._one(writer, map_, do="remove", key=f"tally-{old - 1}")
        number, key = self.number(), f"tally-{self._tally}"
        data: JsonObject = {f"w{number}": 1}
        merge = Operation(do="merge", key=key, data=data)
        answer = await self.write(writer, number, map_, [merge])
        if answer.outcome is Outcome.REFUSED:
            # There is none yet.
            number = self.number()
            first = Operation(do="put", key=key, data={f"w{number}": 1}, if_match=ABSENT)
            await self.write(writer, number, map_, [first])

    async def _write_group(self, writer: ItemWriter, map_: Collection) -> None:
        await self._batch(writer, map_, [Operation(do="put", key=key) for key in GROUP])

    async def _write_refused_group(self, writer: ItemWriter, map_: Collection) -> None:
        """A batch whose last operation cannot be applied, so that none may be."""
        keys = list(GROUP)
        last = Operation(do="put", key=keys.pop(), if_match=STALE)
        await self._batch(writer, map_, [*(Operation(do="put", key=key) for key in keys), last])

    async def _expire(self, writer: ItemWriter, map_: Collection) -> None:
        number = self.number()
        add = Operation(do="add", key=f"{EXPIRING}{number}", data={"w": number}, ttl=LIFE)
        await self.write(writer, number, map_, [add])

    async def _append(self, writer: ItemWriter, list_: Collection, count: int) -> None:
        answer = await self._batch(writer, list_, [Operation(do="add")] * count)
        self._indexes += [index for index in answer.keys if index is not None]

    async def _one(
        self,
        writer: ItemWriter,
        collection: Collection,
        *,
        do: str,
        key: str | None = None,
        if_match: int | None = None,
    ) -> None:
        await self._batch(writer, collection, [Operation(do=do, key=key, if_match=if_match)])

    async def _batch(
        self, writer: ItemWriter, collection: Collection, operations: list[Operation]
    ) -> ItemsAnswered:
        """Write, with data that name the write."""
        number = self.number()
        marked = [
            each
            if each.do == "remove"
            else _with_data(each, {"w": number, "part": part, "text": PADDING})
            for part, each in enumerate(operations)
        ]
        return await self.write(writer, number, collection, marked)


def _with_data(operation: Operation, data: JsonObject) -> Operation:
    return Operation(do=operation.do, key=operation.key, data=data, if_match=operation.if_match)
