"""Events that carry only what has changed, and how a client gets over those that it cannot use."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from support.api import unique
from support.listening import all_quiet, record_events
from support.peer import Peer, PeerConnection, document, peer
from support.proxy import Proxy
from support.server import RunningServer
from support.snapshots import SID
from syncline import Client, Document, NotFound, Removed, Updated, connect
from syncline_protocol.canonical import digest

FAST: dict[str, Any] = {"backoff_initial": 0.01, "token": "t"}


def changed(revision: int, *, previous: int | None = None, **members: Any) -> dict[str, Any]:
    """An event whose delta makes `at` the revision; `members` in the place of the delta."""
    operations = [{"op": "replace", "path": "/at", "value": revision}]
    delta = {"operations": operations, "digest": digest({"at": revision})}
    body = {
        "sid": SID,
        "unique_name": "name",
        "revision": str(revision),
        "previous_revision": str(revision - 1 if previous is None else previous),
        "date_updated": "2026-01-31T00:00:00.000Z",
        "date_expires": None,
        "updated_by": "bob",
    }
    return {"event": "updated", "document": body | (members or {"delta": delta})}


class Scene:
    """A client with one document at revision 1, and the scripted server that it is connected to."""

    def __init__(self, client: Client, connection: PeerConnection, handle: Document) -> None:
        self.client = client
        self.connection = connection
        self.handle = handle
        self.recorder = record_events(handle)

    async def requests_full_data(self) -> None:
        """Take the request that a client makes which has lost its way."""
        request = await self.connection.receive()
        assert request == {"do": "open", "document": SID, "mode": "open_existing"}

    async def expect_revisions(self, *revisions: int) -> None:
        """Check that these are the next states that the application receives."""
        for revision in revisions:
            event = await self.recorder.next()
            assert isinstance(event, Updated)
            assert (event.revision, event.data) == (str(revision), {"at": revision})


async def opened(client: Client, connection: PeerConnection) -> Scene:
    opening = asyncio.create_task(client.document("name"))
    await connection.receive()
    await connection.ok(created=False, document=document(1))
    return Scene(client, connection, await opening)


@pytest.fixture
async def server_peer() -> AsyncIterator[Peer]:
    async with peer() as server:
        yield server


@pytest.fixture
async def scene(server_peer: Peer) -> AsyncIterator[Scene]:
    async with connect(server_peer.url, **FAST) as client:
        yield await opened(client, await server_peer.next())


class TestDeltaOption:
    @pytest.mark.parametrize("deltas", [True, False])
    async def test_it_is_reported_with_the_first_token(self, deltas: bool) -> None:
        async with peer(welcome=False) as server:
            connecting = asyncio.ensure_future(_connected(server, deltas=deltas))
            connection = await server.next()
            request = await connection.receive()
            await connection.ok(identity="alice", service_sid="IS", expires_in=60)
            client = await connecting
            await client.close()

        assert request == {"do": "auth", "token": "t", **({"deltas": True} if deltas else {})}


async def _connected(server: Peer, **options: Any) -> Client:
    return await connect(server.url, token="t", **options)


@pytest.mark.parametrize(
    "event",
    [
        changed(2, delta={"operations": [], "digest": digest({"at": 2})}),
        changed(2, delta={"operations": [{"op": "remove", "path": "/no"}], "digest": "0" * 8}),
        changed(2, delta="nonsense"),
        changed(2, date_expires=None),
        changed(2, previous=0),
    ],
    ids=["another outcome", "no such member", "nonsense", "nothing", "another base"],
)
class TestEventThatCannotBeUsed:
    async def test_the_whole_is_asked_for_and_nothing_wrong_is_shown(
        self, scene: Scene, event: dict[str, Any]
    ) -> None:
        await scene.connection.send(**event)
        await scene.requests_full_data()
        assert (scene.handle.data, scene.handle.revision) == ({"at": 1}, "1")
        # They begin where the server thinks that the client is.
        await scene.connection.send(**changed(3))
        await scene.connection.ok(created=False, document=document(3))
        await scene.connection.send(**changed(4))

        await scene.expect_revisions(3, 4)

    async def test_a_reply_that_is_older_than_what_was_missed_is_not_the_last(
        self, scene: Scene, event: dict[str, Any]
    ) -> None:
        await scene.connection.send(**event)
        await scene.requests_full_data()
        await scene.connection.send(**changed(3))
        await scene.connection.ok(created=False, document=document(2))
        await scene.requests_full_data()
        await scene.connection.ok(created=False, document=document(3))

        await scene.expect_revisions(2, 3)

    async def test_an_event_that_reports_all_helps_too(
        self, scene: Scene, event: dict[str, Any]
    ) -> None:
        await scene.connection.send(**event)
        await scene.requests_full_data()
        await scene.connection.send(**changed(3, data={"at": 3}))
        await scene.expect_revisions(3)
        await scene.connection.send(**changed(4))
        await scene.connection.ok(created=False, document=document(3))
        await scene.connection.send(**changed(5))

        await scene.expect_revisions(4, 5)

    async def test_a_break_does_not_make_it_forget(
        self, server_peer: Peer, scene: Scene, event: dict[str, Any]
    ) -> None:
        await scene.connection.send(**event)
        await scene.requests_full_data()
        await scene.connection.socket.close(1012)
        scene.connection = await server_peer.next()
        for _ in range(2):  # the request that was under way, and that of every new connection
            await scene.requests_full_data()
            await scene.connection.ok(created=False, document=document(3))

        await scene.expect_revisions(3)

    async def test_a_document_that_is_gone_by_then_is_reported_as_removed(
        self, scene: Scene, event: dict[str, Any]
    ) -> None:
        await scene.connection.send(**event)
        await scene.requests_full_data()
        await scene.connection.refuse(54100, 404)

        assert isinstance(await scene.recorder.next(), Removed)
        with pytest.raises(NotFound):
            writing = asyncio.create_task(scene.handle.set({}))
            await scene.connection.receive()
            await scene.connection.refuse(54100, 404)
            await writing

    async def test_nothing_stays_of_a_client_that_is_closed_meanwhile(
        self, server_peer: Peer, event: dict[str, Any]
    ) -> None:
        before = asyncio.all_tasks()
        async with connect(server_peer.url, **FAST) as client:
            connection = await server_peer.next()
            scene = await opened(client, connection)
            await connection.send(**event)
            await scene.requests_full_data()

        await all_quiet(before)


ROUNDS, AT_ONCE = 10, 10
"""Each client makes so many edits at a time, and so often."""


class TestRoom:
    """Clients of every kind in one room, through networks that stall and break."""

    async def test_all_end_with_the_same_and_see_nothing_that_never_was(
        self, server: RunningServer
    ) -> None:
        async with AsyncExitStack() as stack:
            kinds: list[dict[str, Any]] = [
                {},
                {},
                {"deltas": False},
                {"transport": "rest"},
            ]
            proxies = [await stack.enter_async_context(Proxy(server)) for _ in kinds]
            clients = [
                await stack.enter_async_context(
                    connect(
                        proxy.url,
                        token=server.token(f"client{n}"),
                        backoff_initial=0.05,
                        backoff_limit=0.2,
                        **options,
                    )
                )
                for n, (proxy, options) in enumerate(zip(proxies, kinds, strict=True))
            ]
            name = unique()
            handles = [await client.document(name) for client in clients]
            seen: list[dict[str, Any]] = [{} for _ in clients]
            for handle, states in zip(handles, seen, strict=True):
                _collect(handle, states)
            await handles[0].set({"items": [{"n": n, "text": "." * 20} for n in range(60)]})
            meddling = asyncio.create_task(_meddle(proxies))
            await asyncio.gather(
                *(_edit_all(handle, random.Random(n)) for n, handle in enumerate(handles))
            )
            meddling.cancel()
            for proxy in proxies:
                proxy.release()
            last = await handles[0].patch(merge={"last": True})
            for states in seen:
                async with asyncio.timeout(60):
                    while handles[0].revision not in states:
                        await asyncio.sleep(0.02)

            assert [handle.data for handle in handles] == [last] * len(handles)
            for states in seen[1:]:
                for revision in states.keys() & seen[0].keys():
                    assert states[revision] == seen[0][revision]


def _collect(handle: Document, states: dict[str, Any]) -> None:
    """Keep every received state, by its revision."""

    def note(event: Updated) -> None:
        states[event.revision] = event.data

    handle.on("updated", note)


async def _edit_all(handle: Document, numbers: random.Random) -> None:
    for _ in range(ROUNDS):
        await asyncio.gather(*(_edit(handle, numbers) for _ in range(AT_ONCE)))


async def _edit(handle: Document, numbers: random.Random) -> None:
    place = numbers.randrange(30)
    match numbers.randrange(5):
        case 0:
            await handle.increment(f"/items/{place}/n")
        case 1:
            await handle.update({numbers.choice("xyz~/"): numbers.choice([1, True, 2.5, {}])})
        case 2:
            operation = {"op": "move", "from": f"/items/{place}", "path": "/items/0"}
            await handle.patch(operations=[operation])
        case 3:
            await handle.mutate(lambda data: data | {"mutations": data.get("mutations", 0) + 1})
        case _:
            await handle.patch(merge={"note": "é" * numbers.randrange(90)})


async def _meddle(proxies: list[Proxy]) -> None:
    """Stall and break one network after the other, all the time."""
    for n in range(1_000_000):
        proxy = proxies[n % len(proxies)]
        proxy.stall()
        await asyncio.sleep(0.05)
        proxy.release()
        if n % 7 == 0:
            proxy.cut()
        await asyncio.sleep(0.02)
