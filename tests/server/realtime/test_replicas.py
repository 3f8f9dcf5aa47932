"""Readers of all kinds of one collection, while others write: each comes to what is stored."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Hashable

import pytest

from support.backend import make_backend
from support.items import Collection, make
from support.readers import Reader, Replica, marks_of, stored
from support.store import eventually
from syncline_protocol.commands import Command, Get
from syncline_protocol.item_commands import BatchItems, ItemOperation, Part, Verb, WriteItem
from syncline_protocol.items import ItemsChanged
from syncline_protocol.objects import MAP
from syncline_server.backend import Backend
from syncline_server.config.settings import Settings
from syncline_server.objects.access import Access
from syncline_server.observability.metrics import Limit
from syncline_server.storage import items as stored_items
from syncline_server.storage.author import Author
from syncline_server.storage.redis.client import Redis

KEYS = [f"{group}{n}" for group in "abc" for n in range(12)]
PARTS = (
    None,
    None,
    Part(prefix="a"),
    Part(prefix="b1"),
    Part(keys=frozenset({"a1", "b2", "c3"})),
)
ROUNDS = 60

FILL = b"." * 300
"""In data that is large enough for deltas."""


@pytest.fixture
async def backend(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Backend]:
    # Small, so that every limit is reached often.
    monkeypatch.setattr(stored_items, "REPLAY_ITEMS", 4)
    backend = make_backend(redis, Settings(waiting_items=6))
    backend.hub.start()
    await eventually(lambda: backend.hub.live)
    yield backend
    await backend.hub.stop()


class Actor:
    """A reader that now and then reads slowly, is cut off and resumes, or writes itself."""

    def __init__(
        self, backend: Backend, map_: Collection, rng: random.Random, name: str, part: Part | None
    ) -> None:
        self.backend, self.map, self.rng, self.name = backend, map_, rng, name
        self.sid = map_.at.sid
        self.takes_deltas = rng.random() < 0.6
        self.replica = Replica(part=part, deltas=self.takes_deltas)
        self.earlier: set[Hashable] = set()
        self.reader = self._connect()

    def _connect(self) -> Reader:
        access = Access(self.backend, self.map.at.service_sid, self.name)
        return Reader(self.backend, access, mark=1500, takes_deltas=self.takes_deltas)

    async def start(self) -> None:
        await self.replica.open(self.reader, self.sid)

    async def step(self) -> None:
        chance = self.rng.random()
        if chance < 0.25:
            self.reader.slow_down()
        elif chance < 0.5:
            self.reader.transport.drain()
        elif chance < 0.7:
            self.reader.submit(self._own_write())
        elif chance < 0.75:
            await self.replica.follow(self.reader, self.sid)
            self._check_order()
            # Their events may come on the next connection.
            await self.reader.ask(Get(self.sid, type=MAP))
            self.earlier |= self.reader.marks
            self.reader.session.close()
            self.reader = self._connect()
            await self.replica.open(self.reader, self.sid, resume=True)
        await self.replica.follow(self.reader, self.sid)

    def _own_write(self) -> Command:
        key, data = (
            self.rng.choice(KEYS),
            b'{"n":%d,"fill":"%b"}' % (self.rng.randrange(10**6), FILL),
        )
        if self.rng.random() < 0.3:
            return WriteItem(self.sid, type=MAP, action=Verb.REMOVE, item_key=key)
        if self.rng.random() < 0.3:
            keys = self.rng.sample(KEYS, 3)
            puts = tuple(ItemOperation(verb=Verb.PUT, key=each, data=data) for each in keys)
            return BatchItems(self.sid, type=MAP, operations=puts)
        return WriteItem(self.sid, type=MAP, action=Verb.PUT, item_key=key, data=data)

    def _check_order(self) -> None:
        """Promise 4: no event of an own write came before the reply to it."""
        replied: set[Hashable] = set()
        for received in self.reader.received:
            if isinstance(received, tuple):
                replied.update(marks_of(received[1]))
            elif isinstance(received, ItemsChanged):
                own = {c.item.revision for c in received.changes if c.item.updated_by == self.name}
                assert own <= replied | self.earlier

    async def finish(self, stored: dict[str, tuple[int, bytes]]) -> None:
        part = self.replica.part
        wanted = {k: v for k, v in stored.items() if part is None or part.has(k)}
        for _ in range(2000):
            self.reader.transport.drain()
            await self.replica.follow(self.reader, self.sid)
            if self.replica.items == wanted:
                break
            await asyncio.sleep(0.005)
        assert self.replica.items == wanted
        self._check_order()


async def scribble(map_: Collection, rng: random.Random) -> None:
    """One commit: of one item, or of several."""
    operations = []
    for key in rng.sample(KEYS, rng.choice((1, 1, 1, 1, 3, 9))):
        if rng.random() < 0.3 and await map_.get(key) is not None:
            operations.append(ItemOperation(verb=Verb.REMOVE, key=key))
        else:
            data = b'{"n":%d,"fill":"%b"}' % (rng.randrange(10**6), FILL)
            operations.append(ItemOperation(verb=Verb.PUT, key=key, data=data))
    await map_.items.write(map_.at, operations, Author(identity="bob"))


@pytest.mark.parametrize("seed", range(6))
async def test_every_reader_comes_to_what_is_stored(
    backend: Backend, service_sid: str, seed: int
) -> None:
    rng = random.Random(seed)
    map_ = await make(backend.objects, backend.items, service_sid, MAP)
    for _ in range(20):
        await scribble(map_, rng)
    actors = [
        Actor(backend, map_, random.Random(f"{seed} {n}"), f"reader {n}", PARTS[n % 5])
        for n in range(10)
    ]
    await asyncio.gather(*(actor.start() for actor in actors))
    for _ in range(ROUNDS):
        for _ in range(rng.randrange(6)):
            await scribble(map_, rng)
        await asyncio.gather(*(actor.step() for actor in actors))
    for actor in actors:
        await actor.reader.ask(Get(actor.sid, type=MAP))  # after its writes
    access = Access(backend, service_sid, "bob")
    wanted = await stored(backend, access, map_.at.sid)
    for actor in actors:
        await actor.finish(wanted)
    # The limits were reached, and nobody had to read everything again.
    assert backend.meters.limit_hits[Limit.WAITING_ITEMS] > 0
    assert [actor.replica.resets for actor in actors] == [0] * len(actors)
    deltas = [actor.replica.deltas for actor in actors if actor.takes_deltas]
    assert sum(deltas) > 0
