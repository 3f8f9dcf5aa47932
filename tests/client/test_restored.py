"""A data set that was put back: clients hold states that are newer than the server's."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from support.listening import record_events
from support.peer import PeerConnection, document, peer
from support.server import StartServer
from support.snapshots import SID
from syncline import Client, Document, RevisionMismatch, Updated, connect

FAST: dict[str, Any] = {"backoff_initial": 0.01, "backoff_limit": 0.05}


async def opened(client: Client, connection: PeerConnection, revision: int) -> Document:
    opening = asyncio.create_task(client.document("name"))
    await connection.receive()
    await connection.ok(created=False, document=document(revision))
    return await opening


class TestRefusedWrite:
    async def test_mutate_goes_on_from_the_older_state(self) -> None:
        async with peer() as server, connect(server.url, token="t") as client:
            connection = await server.next()
            handle = await opened(client, connection, 10)
            recorder = record_events(handle)
            writing = asyncio.create_task(handle.mutate(lambda data: {"seen": data["at"]}))
            request = await connection.receive()
            assert (request["if_match"], request["data"]) == ("10", {"seen": 10})
            await connection.refuse(54103, 412, document=document(5))
            request = await connection.receive()
            assert (request["if_match"], request["data"]) == ("5", {"seen": 5})
            await connection.ok(document={"sid": SID, "revision": "6"})
            assert await writing == {"seen": 5}
            assert (handle.data, handle.revision) == ({"seen": 5}, "6")
            event = await recorder.next()
            assert (event.revision, event.is_local, event.previous.revision) == ("5", False, 10)
            body = document(6, data={"seen": 5}, previous_revision="5")
            await connection.send(event="updated", document=body)
            assert ((await recorder.next()).revision, handle.revision) == ("6", "6")

    async def test_so_does_a_mutation_that_asks_for_its_turn(self) -> None:
        """After a conflict the client reads the newest state before it writes."""
        async with peer() as server, connect(server.url, token="t") as client:
            connection = await server.next()
            handle = await opened(client, connection, 10)
            recorder = record_events(handle)
            writing = asyncio.create_task(handle.mutate(lambda data: {"seen": data["at"]}))
            await connection.receive()
            await connection.refuse(54103, 412, document=document(11))
            await connection.receive()
            await connection.ok(document={"sid": SID, "revision": "12"})
            await writing
            writing = asyncio.create_task(handle.mutate(lambda data: {"seen": data["at"]}))
            request = await connection.receive()
            assert (request["do"], request["turn"]) == ("get", True)
            await connection.ok(document=document(5), turn=True)
            request = await connection.receive()
            assert (request["if_match"], request["data"]) == ("5", {"seen": 5})
            await connection.ok(document={"sid": SID, "revision": "6"})
            assert await writing == {"seen": 5}
            assert (handle.data, handle.revision) == ({"seen": 5}, "6")
            assert (await recorder.next()).revision == "5"

    async def test_so_does_a_conditional_write_of_the_application(self) -> None:
        async with peer() as server, connect(server.url, token="t") as client:
            connection = await server.next()
            handle = await opened(client, connection, 10)
            writing = asyncio.create_task(handle.set({}, if_match="10"))
            await connection.receive()
            await connection.refuse(54103, 412, document=document(5))
            with pytest.raises(RevisionMismatch):
                await writing
            assert (handle.data, handle.revision) == ({"at": 5}, "5")

    async def test_a_refusal_that_merely_came_late_changes_nothing(self) -> None:
        """What was older when it was sent is not older than what the client had then."""
        async with peer() as server, connect(server.url, token="t") as client:
            connection = await server.next()
            handle = await opened(client, connection, 10)
            recorder = record_events(handle)
            writing = asyncio.create_task(handle.set({}, if_match="9"))
            await connection.receive()
            await connection.send(event="updated", document=document(12, previous_revision="10"))
            await connection.refuse(54103, 412, document=document(11))
            with pytest.raises(RevisionMismatch):
                await writing
            assert (handle.revision, (await recorder.next()).revision) == ("12", "12")


class TestOpenedAgain:
    async def test_the_older_state_is_taken(self) -> None:
        async with peer() as server, connect(server.url, token="t", **FAST) as client:
            connection = await server.next()
            handle = await opened(client, connection, 10)
            recorder = record_events(handle)
            await connection.socket.close(4000)
            connection = await server.next()
            assert (await connection.receive())["revision"] == "10"
            await connection.ok(created=False, document=document(5))
            event = await recorder.next()
            assert isinstance(event, Updated)
            assert (event.revision, handle.data) == ("5", {"at": 5})

    @pytest.mark.parametrize("transport", ["websocket", "rest"])
    async def test_a_server_whose_data_set_was_put_back(
        self, fresh_server: StartServer, transport: Any
    ) -> None:
        server = fresh_server()

        async def while_stopped(act: Callable[[], Any]) -> None:
            await asyncio.to_thread(server.stop)
            act()
            await asyncio.to_thread(server.restart)

        saved = server.data_dir.with_name("saved")
        options = {"transport": transport, **FAST}
        async with connect(server.url, token=server.token(), **options) as client:
            handle = await client.document("name", data={"n": 1})
            await while_stopped(lambda: shutil.copytree(server.data_dir, saved))
            recorder = record_events(handle)
            assert await handle.increment("/n") == {"n": 2}
            assert (await recorder.next()).data == {"n": 2}

            def put_back() -> None:
                shutil.rmtree(server.data_dir)
                shutil.copytree(saved, server.data_dir)

            await while_stopped(put_back)
            assert (await recorder.next()).data == {"n": 1}
            assert handle.data == {"n": 1}
            changed = await handle.mutate(lambda data: {"n": data["n"] + 10})
            assert changed == handle.data == {"n": 11}
            assert (await recorder.next()).data == {"n": 11}
