"""What is written to lists, maps and streams during a run, and by whom."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Sequence
from typing import Any

from syncline_tools.verify.history import History
from syncline_tools.verify.pacing import Pacing
from syncline_tools.verify.shape import Shape

from .actions import CONTENDED, Actions
from .client import ItemWriter
from .collection import LIST, MAP, STREAM, Collection
from .direct import ItemDirect
from .observer import ItemObserver
from .operation import ABSENT, Operation
from .records import CollectionCreated, ItemsAnswered

__all__ = ["ItemWorkload"]

LEFTOVER_LIFE = 3600
"""Seconds that collections outlive a run that cannot clean up."""

RACE_INTERVAL = 0.5
RIVALS = 2
"""Seconds between races, in which all writers write one item on the same state, each so often."""

REPLAY_INTERVAL = 1.0
"""Seconds between attempts of each observer to read what has changed since long."""


class ItemWorkload:
    """Writers that write, and observers that look.

    Attributes:
        collections: all that were made.
    """

    def __init__(
        self,
        shape: Shape,
        history: History,
        direct: ItemDirect,
        *,
        writers: Sequence[ItemWriter],
        observers: Sequence[ItemObserver],
    ) -> None:
        self.collections: list[Collection] = []
        self._shape = shape
        self._history = history
        self._direct = direct
        self._writers = writers
        self._observers = observers
        self._interval = 2 * len(writers) / shape.rate
        self._run_id = secrets.token_hex(4)
        self._pacing = Pacing()

    async def prepare(self) -> None:
        """Make the collections, and have everybody look at them."""
        for type_ in (LIST, MAP, STREAM):
            if type_ in self._shape.types:
                await self._create(type_)
        await asyncio.gather(
            *(
                observer.follow(collection)
                for observer in self._observers
                for collection in self.collections
                if collection.type in observer.types
            )
        )

    def start(self) -> None:
        """Begin to write."""
        for collection in self.collections:
            self._start_on(collection)
        for observer in self._observers:
            self._pacing.spawn(self._replay_on(observer))

    def _start_on(self, collection: Collection) -> None:
        actions = Actions(
            chance=random.Random(f"{self._shape.seed}:{collection.type}"),
            number=self._history.number_write,
            write=self._write,
        )
        act = {
            LIST: actions.act_on_list,
            MAP: actions.act_on_map,
            STREAM: actions.publish,
        }[collection.type]
        for writer in self._writers:
            self._pacing.spawn(self._write_on(writer, collection, act))
        if collection.type == MAP:
            self._pacing.spawn(self._race(collection, actions))

    async def stop(self, patience: float) -> None:
        """Begin nothing more, and wait for what is under way; raises what went wrong."""
        await self._pacing.stop(patience)
        for observer in self._observers:
            await self._try_replays(observer)

    async def end(self) -> None:
        """Break off what is under way; safe to repeat."""
        await self._pacing.end()

    async def _create(self, type_: str) -> None:
        began = self._history.now()
        name = f"verify/{self._run_id}/{type_}"
        collection, revision = await self._direct.create(type_, name, LEFTOVER_LIFE)
        self._history.add(
            CollectionCreated(
                at=self._history.now(),
                collection=collection.sid,
                type=type_,
                began=began,
                revision=revision,
            )
        )
        self.collections.append(collection)

    async def _write_on(self, writer: ItemWriter, collection: Collection, act: Any) -> None:
        chance = random.Random(f"{self._shape.seed}:{collection.type}:{writer.name}")
        # Half of the item writes go to the map, the others to the list and the stream.
        interval = self._interval * (2 if collection.type == MAP else 4)
        await self._pacing.repeat(chance, interval, lambda: act(writer, collection))

    async def _race(self, map_: Collection, actions: Actions) -> None:
        """Have all writers write one item at once, each on the same state."""
        while not await self._pacing.stops_within(RACE_INTERVAL):
            key = actions.chance.choice(CONTENDED)
            revisions = [writer.known.get((map_.sid, key)) for writer in self._writers]
            newest = max((each for each in revisions if each is not None), default=ABSENT)
            for writer in [*self._writers] * RIVALS:
                number = self._history.number_write()
                operation = Operation(
                    do="put" if newest == ABSENT else "update",
                    key=key,
                    data={"w": number, "part": 0},
                    if_match=newest,
                )
                self._pacing.spawn(self._race_one(writer, number, map_, operation))

    async def _race_one(
        self, writer: ItemWriter, number: int, map_: Collection, operation: Operation
    ) -> None:
        await self._write(writer, number, map_, [operation])

    async def _write(
        self, writer: ItemWriter, number: int, collection: Collection, operations: list[Operation]
    ) -> ItemsAnswered:
        op = f"{self._run_id}-{number}"
        return await writer.write(number, op, collection, operations)

    async def _replay_on(self, observer: ItemObserver) -> None:
        while not await self._pacing.stops_within(REPLAY_INTERVAL):
            await self._try_replays(observer)

    async def _try_replays(self, observer: ItemObserver) -> None:
        for collection in self.collections:
            if collection.type in observer.types and collection.type != STREAM:
                await observer.try_replay(collection)
