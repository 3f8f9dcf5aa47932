"""Observers on each wire against a real server: what they miss comes in portions."""

from __future__ import annotations

import asyncio
from io import BytesIO

import pytest

from support.api import unique
from support.server import RunningServer
from support.store import WAIT_LIMIT
from syncline_tools.verify.direct import Direct
from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.history import History
from syncline_tools.verify.items.collection import MAP, Collection
from syncline_tools.verify.items.copies import rebuild
from syncline_tools.verify.items.direct import ItemDirect
from syncline_tools.verify.items.records import (
    CollectionCreated,
    ItemsJoined,
    ItemsOpened,
    ItemsReplayed,
)
from syncline_tools.verify.items.sight import ItemSight
from syncline_tools.verify.items.wires import OBSERVERS
from syncline_tools.verify.plan import Fault, FaultKind
from syncline_tools.verify.proxy import Link, Target

BREAK = Fault(at=0, client="", kind=FaultKind.CUT, seconds=0)

MISSED = 250
"""Items: more than two portions."""


async def fill(direct: Direct, collection: Collection) -> None:
    """Put that many items into a map."""
    for start in range(0, MISSED, 50):
        operations = [
            {"op": "put", "key": f"k{number}", "data": {"w": number + 1}}
            for number in range(start, start + 50)
        ]
        await direct.request("POST", f"{collection.path}/Batch", json={"operations": operations})


@pytest.mark.parametrize("kind", ["reader-native", "reader-twilsock", "map-sse"])
async def test_what_was_missed_in_a_break(server: RunningServer, kind: str) -> None:
    history, changed = History(BytesIO()), asyncio.Event()
    sight, wire = ItemSight(kind, history, changed.set), OBSERVERS[kind]
    history.add(ItemsJoined(at=0, client=kind, wire=wire.name, receives_events=True))
    async with (
        Link(Target.parse(server.url)) as link,
        Direct(server.url, "default", server.token) as direct,
    ):
        collection, revision = await ItemDirect(direct).create(MAP, unique(), 60)
        history.add(
            CollectionCreated(at=0, collection=collection.sid, type=MAP, began=0, revision=revision)
        )
        observer = wire.make(link.url, "default", server.token, sight=sight)
        await observer.open()
        await observer.follow(collection)
        link.start_fault(BREAK)
        await fill(direct, collection)
        link.heal()
        stored = await ItemDirect(direct).read(collection)
        assert stored.revision is not None
        async with asyncio.timeout(WAIT_LIMIT):
            while not sight.agrees(collection.sid, stored.revision, stored.items):
                changed.clear()
                await changed.wait()
        await observer.close()

    assert sight.connection == 2
    replays = [each for each in history.records if isinstance(each, ItemsReplayed)]
    assert replays[0].head is not None
    assert len(replays[0].changes) < MISSED
    *_, copy = rebuild(Evidence.of(history.records).items, collection.sid, kind)
    copied = {key: (state.revision, state.content) for key, state in copy.items.items()}
    assert copied == {each.key: (each.revision, each.content) for each in stored.items}


@pytest.mark.parametrize("kind", ["reader-native", "reader-twilsock", "map-sse", "part-sse"])
async def test_what_is_there_when_it_is_opened(server: RunningServer, kind: str) -> None:
    history, wire = History(BytesIO()), OBSERVERS[kind]
    sight = ItemSight(kind, history, lambda: None, scope=wire.scope)
    async with Direct(server.url, "default", server.token) as direct:
        collection, _ = await ItemDirect(direct).create(MAP, unique(), 60)
        for key in ("a", "tally-1"):
            body = {"key": key, "data": {"w": 1}}
            await direct.request("POST", f"{collection.path}/Items", json=body)
        observer = wire.make(server.url, "default", server.token, sight=sight)
        await observer.open()
        await observer.follow(collection)
        stored = await ItemDirect(direct).read(collection)
        await observer.close()

    (opened,) = (each for each in history.records if isinstance(each, ItemsOpened))
    assert opened.revision == stored.revision
    assert opened.items == tuple(each for each in stored.items if wire.scope.has(each.key))
