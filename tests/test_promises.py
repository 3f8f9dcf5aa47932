"""What Syncline promises, shown from outside on real servers."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.api import DocumentsApi, unique
from support.listening import record_events
from support.server import RunningServer, StartServer
from support.socket import native_socket
from syncline import Client, Document, NotFound, Removed, connect

CLIENTS = 20
MUTATIONS = 50

WRITERS = 8
WRITES = 60
"""Of each writer, in all; the server is killed after a third and after two thirds of them."""


async def test_concurrent_mutations_lose_nothing(server: RunningServer) -> None:
    name = unique("counter")
    async with AsyncExitStack() as stack:
        documents = [
            await (await connected(stack, server, f"client{n}")).document(name, data={"n": 0})
            for n in range(CLIENTS)
        ]
        recorder = [record_events(document) for document in documents]

        async def count(document: Document) -> None:
            for _ in range(MUTATIONS):
                await document.mutate(lambda data: {"n": data["n"] + 1})

        await asyncio.gather(*map(count, documents))
        last = CLIENTS * MUTATIONS
        events = [await each.until(lambda event: event.data == {"n": last}) for each in recorder]

        assert {document.revision for document in documents} == {events[0][-1].revision}
        assert {document.data["n"] for document in documents} == {last}
    for own in events:
        revisions = [int(event.revision) for event in own]
        assert revisions == sorted(set(revisions))
        assert sum(event.is_local for event in own) == MUTATIONS
    with DocumentsApi(server) as api:
        assert api.fetch(name)["data"] == {"n": last}


@pytest.mark.parametrize("transport", ["websocket", "rest"])
async def test_a_server_that_is_killed_loses_nothing_that_it_acknowledged(
    fresh_server: StartServer, transport: Any
) -> None:
    server = fresh_server()
    name = unique("counter")
    async with AsyncExitStack() as stack:
        options = {"transport": transport, "backoff_initial": 0.05}
        documents = [
            await (await connected(stack, server, f"writer{n}", **options)).document(
                name, data={"total": 0}
            )
            for n in range(WRITERS)
        ]
        observer = await (await connected(stack, server, "observer")).document(name)
        recorder = record_events(observer)
        acknowledged = 0
        deaths = iter([WRITERS * WRITES // 3, WRITERS * WRITES * 2 // 3])
        next_death = asyncio.Event()
        at = next(deaths)

        async def write(n: int, document: Document) -> None:
            nonlocal acknowledged
            for _ in range(WRITES):
                await document.patch(increment={"/total": 1, f"/writer{n}": 1})
                acknowledged += 1
                if acknowledged == at:
                    next_death.set()

        writing = asyncio.gather(*(write(n, document) for n, document in enumerate(documents)))
        for following in (next(deaths), 0):
            await next_death.wait()
            at = following
            next_death.clear()
            # In a thread, so that the load goes on.
            await asyncio.to_thread(server.kill)
            kept = acknowledged
            await asyncio.to_thread(server.restart)
            with DocumentsApi(server) as api:
                assert api.fetch(name)["data"]["total"] >= kept
        await writing

        total = WRITERS * WRITES
        events = await recorder.until(lambda event: event.data["total"] == total)
        for document in documents:
            if document.data["total"] < total:
                await record_events(document).until(lambda event: event.data["total"] == total)
        everybody = [*documents, observer]
        assert {document.revision for document in everybody} == {events[-1].revision}
    assert acknowledged == total
    revisions = [int(event.revision) for event in events]
    assert revisions == sorted(set(revisions))
    with DocumentsApi(server) as api:
        assert api.fetch(name)["data"] == {
            "total": total,
            **{f"writer{n}": WRITES for n in range(WRITERS)},
        }


async def test_subscribers_receive_an_expiry_within_a_second(server: RunningServer) -> None:
    async with (
        connect(server.url, token=server.token()) as client,
        connect(server.url, token=server.token(), transport="rest") as over_rest,
        native_socket(server) as socket,
    ):
        document = await client.document(unique(), ttl=2)
        other = await over_rest.document(document.sid)
        await socket.ok("open", document=document.sid)
        recorder = [record_events(document), record_events(other)]
        expires = document.date_expires
        assert expires == document.date_created + timedelta(seconds=2)
        for each in recorder:
            removal = await each.next()
            assert isinstance(removal, Removed)
            assert (removal.expired, removal.removed_by) == (True, "system")
            assert removal.date_removed is not None
            assert timedelta() <= removal.date_removed - expires < timedelta(seconds=1)
        event = await socket.event()
        assert (event["event"], event["document"]["expired"]) == ("removed", True)
        with pytest.raises(NotFound):
            await client.document(document.sid)


async def test_readers_do_not_wait_for_the_sweep_of_what_has_expired(
    fresh_server: StartServer,
) -> None:
    server = fresh_server("--sweep-interval=60")
    async with (
        connect(server.url, token=server.token()) as client,
        native_socket(server) as socket,
    ):
        document = await client.document(name := unique(), data={"n": 1}, ttl=2)
        assert document.date_expires is not None
        assert await socket.document("get", document=name)
        # No event reports it: that is the point.
        left = document.date_expires - datetime.now(UTC)
        await asyncio.sleep(max(0, left.total_seconds()))
        with pytest.raises(NotFound):
            await client.document(document.sid)
        with pytest.raises(NotFound):
            await document.increment("/n")
        assert (await socket.error("get", document=name))["status"] == 404
        with DocumentsApi(server) as api:
            assert api.call("GET", name).status_code == 404
            assert api.call("GET", document.sid).status_code == 404
            assert document.sid not in [each["sid"] for each in api.page()["documents"]]
        again = await client.document(name)
        assert (again.data, again.sid != document.sid) == ({}, True)


async def connected(
    stack: AsyncExitStack, server: RunningServer, identity: str, **options: Any
) -> Client:
    """A client that is closed with `stack`."""
    token = server.token(identity)
    return await stack.enter_async_context(connect(server.url, token=token, **options))
