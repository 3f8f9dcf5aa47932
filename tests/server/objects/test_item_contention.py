"""Conditional writes of items by many clients at once. Turns last for minutes here, if not used."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext

import pytest

from support.backend import make_backend
from support.store import WAIT_LIMIT
from syncline_protocol.commands import Command
from syncline_protocol.item_commands import ABSENT, BatchItems, ItemOperation, Verb, WriteItem
from syncline_protocol.items import Change, ChangeKind, ItemsChanged
from syncline_protocol.objects import MAP
from syncline_server.backend import Backend
from syncline_server.config.settings import Settings
from syncline_server.objects.access import Access
from syncline_server.objects.contests import subject
from syncline_server.objects.items import Items, ItemWritten
from syncline_server.storage.author import Author
from syncline_server.storage.item_refusals import ItemRefused
from syncline_server.storage.objects import NewObject
from syncline_server.storage.redis.client import Redis

LONG = 60.0
"""Seconds that no test waits."""

CALLERS = 100

TRIES = 2.5
"""Tries of a commit, on average, at most."""


class Client:
    """A connection of one identity, which counts its tries."""

    def __init__(self, items: Items, access: Access, sid: str) -> None:
        self.items, self.access, self.sid = items, access, sid
        self.round_trip = LONG
        self.tries = 0

    def has_more(self, object_key: str) -> bool:
        return False

    def conflate(self, object_key: str) -> None:
        raise AssertionError("each item has its own contest; no event of another may be dropped")

    def writing(self, command: Command) -> AbstractContextManager[None]:
        return nullcontext()

    async def put(self, key: str, data: bytes = b"{}", if_match: int | None = None) -> ItemWritten:
        """One try."""
        self.tries += 1
        command = WriteItem(
            self.sid, type=MAP, if_match=if_match, action=Verb.PUT, item_key=key, data=data
        )
        return await self.items.write(self.access, command, self)

    async def change(self, key: str, known: int) -> ItemWritten:
        """Try again with the item of each refusal, as clients do."""
        while True:
            try:
                return await self.put(key, b'{"changed":1}', known)
            except ItemRefused as refusal:
                known = ABSENT if refusal.item is None else refusal.item.revision


class Room:
    """One map with its clients."""

    def __init__(self, backend: Backend, service_sid: str, sid: str) -> None:
        self.backend, self.service_sid, self.sid = backend, service_sid, sid
        self.items = Items(backend, MAP)

    def client(self, name: str) -> Client:
        access = Access(self.backend, self.service_sid, name, limited=True)
        return Client(self.items, access, self.sid)


@pytest.fixture
async def room(redis: Redis) -> Room:
    backend = make_backend(redis, Settings(turn_timeout=LONG, turn_wait=LONG))
    service = await backend.services.create({}, limit=1_000_000)
    created = await backend.objects.create(service.sid, MAP, Author(identity=""), NewObject())
    return Room(backend, service.sid, created.state.sid)


async def test_all_who_contend_for_one_item_get_through(room: Room) -> None:
    known = (await room.client("first").put("k")).item.revision
    clients = [room.client(f"client {n}") for n in range(CALLERS)]
    async with asyncio.timeout(WAIT_LIMIT):
        written = await asyncio.gather(*(each.change("k", known) for each in clients))
    assert len({each.item.revision for each in written}) == CALLERS
    assert sum(each.tries for each in clients) <= TRIES * CALLERS
    assert len(room.backend.turns.contests) == 0


async def test_all_who_create_one_item_get_through(room: Room) -> None:
    clients = [room.client(f"client {n}") for n in range(CALLERS)]
    async with asyncio.timeout(WAIT_LIMIT):
        written = await asyncio.gather(*(each.change("k", ABSENT) for each in clients))
    assert [each.kind for each in written].count(ChangeKind.ADDED) == 1
    assert sum(each.tries for each in clients) <= TRIES * CALLERS


async def stalled(room: Room, key: str) -> list[asyncio.Task[ItemWritten]]:
    """A contest whose holder does not come back, and two who wait for it."""
    first = room.client("first")
    old = (await first.put(key)).item.revision
    await first.put(key, if_match=old)
    with pytest.raises(ItemRefused):
        await room.client("holder").put(key, if_match=old)
    waiting = [asyncio.create_task(room.client(f"{n}").put(key, if_match=old)) for n in range(2)]
    async with asyncio.timeout(WAIT_LIMIT):
        while not _is_crowded(room, len(waiting)):
            await asyncio.sleep(0.001)
    return waiting


def _is_crowded(room: Room, count: int) -> bool:
    contests = set(room.backend.turns.contests._contests.values())
    return any(len(each.waiting) == count for each in contests)


async def test_nobody_waits_for_those_who_write_other_items(room: Room) -> None:
    waiting = await stalled(room, "stalled")
    keys = [f"item {n}" for n in range(CALLERS)]
    rival = room.client("rival")
    known = [(await rival.put(key)).item.revision for key in keys]
    for key, revision in zip(keys, known, strict=True):
        await rival.put(key, if_match=revision)
    clients = [room.client(f"client {n}") for n in range(CALLERS)]
    async with asyncio.timeout(WAIT_LIMIT):
        await asyncio.gather(
            *(
                client.change(key, revision)
                for client, key, revision in zip(clients, keys, known, strict=True)
            )
        )
    # Each lost once, because it had an old revision, and was answered without a wait.
    assert {each.tries for each in clients} == {2}
    assert not any(each.done() for each in waiting)
    for each in waiting:
        each.cancel()


@pytest.mark.parametrize("is_again", [False, True])
async def test_who_contends_for_an_item_that_a_batch_removed_is_answered_at_once(
    room: Room, is_again: bool
) -> None:
    """As where another process removed it: this one has received no write of it.

    `is_again`: it was created again before.
    """
    waiting = await stalled(room, "k")
    client = room.client("batch")
    removal = ItemOperation(verb=Verb.REMOVE, key="k")
    await room.items.batch(client.access, BatchItems(room.sid, type=MAP, operations=(removal,)))
    created = (await client.put("k")).item.revision if is_again else None
    late = room.client("late")
    with pytest.raises(ItemRefused) as caught:
        async with asyncio.timeout(WAIT_LIMIT):
            await late.put("k", if_match=1)
    if is_again:
        assert caught.value.item is not None
        assert caught.value.item.revision == created
        for each in waiting:
            each.cancel()
        return
    assert caught.value.item is None
    for each in waiting:
        with pytest.raises(ItemRefused) as refused:
            async with asyncio.timeout(WAIT_LIMIT):
                await each
        assert refused.value.item is None


async def test_an_event_of_a_batch_shows_the_revisions_of_its_items(room: Room) -> None:
    """Of a batch that another process committed."""
    client = room.client("a")
    for key in "ab":
        await client.put(key, if_match=(await client.put(key)).item.revision)
    written = await room.backend.items.write(
        room.items._at(client.access, room.sid),
        [ItemOperation(verb=Verb.PUT, key=key, data=b"{}") for key in "abc"],
        Author(identity=""),
    )
    event = ItemsChanged(
        sid=room.sid,
        unique_name=None,
        revision=written.header.revision,
        previous=0,
        at_ms=0,
        by="",
        changes=tuple(Change(kind=each.kind, item=each.item) for each in written.changes),
    )
    room.backend.turns.record_event(event)
    recent = room.backend.turns._recent
    shown = [
        recent.has(subject(room.sid, each.item.key), each.item.revision) for each in event.changes
    ]
    # No client has written "c" with a condition, so nothing is remembered of it.
    assert shown == [True, True, False]
