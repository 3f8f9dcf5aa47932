"""Turns as clients of the native protocol meet them. They last for minutes here, if not used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from support.api import unique
from support.server import RunningServer
from support.socket import NativeSocket, native_socket
from syncline_server.objects import turns

LONG = "60"
"""Seconds; more than any test waits for a reply."""

LOSERS = 8


@pytest.fixture(scope="module")
def patient_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data_dir: Path = tmp_path_factory.mktemp("contention") / "data"
    with RunningServer(data_dir, "--turn-timeout", LONG, "--turn-wait", LONG) as running:
        yield running


@asynccontextmanager
async def losers(server: RunningServer, name: str) -> AsyncIterator[list[NativeSocket]]:
    """Clients whose conditional writes have lost, and that do not come back."""
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(native_socket(server, server.token(f"loser {n}")))
            for n in range(LOSERS)
        ]
        first = await sockets[0].document("open", document=name, data={})
        stale = {"document": name, "data": {}, "if_match": first["revision"]}
        await sockets[0].ok("set", **stale)
        asked = [await socket.send("set", **stale) for socket in sockets]
        # The first refusal is answered; the others wait for turns, one after the other.
        replies = [
            asyncio.create_task(socket.reply(request))
            for socket, request in zip(sockets, asked, strict=True)
        ]
        await asyncio.wait(replies, return_when=asyncio.FIRST_COMPLETED)
        yield sockets
        for reply in replies:
            reply.cancel()


async def test_who_loses_on_purpose_keeps_no_unconditional_write_waiting(
    patient_server: RunningServer,
) -> None:
    name = unique("doc")
    async with (
        native_socket(patient_server) as bystander,
        losers(patient_server, name),
    ):
        await bystander.ok("patch", document=name, increment={"/n": 1})
        await bystander.ok("patch", document=name, merge={"m": 1})
        await bystander.ok("set", document=name, data={"n": 1})
        await bystander.ok("set", document=name, data={}, ttl=60)
        await bystander.ok("remove", document=name)


async def test_a_client_is_not_kept_waiting_by_its_own_refusal(
    patient_server: RunningServer,
) -> None:
    name = unique("doc")
    async with native_socket(patient_server) as client, losers(patient_server, name):
        known = await client.document("get", document=name)
        await client.ok("set", document=name, data={"n": 1})
        asked = [
            await client.send("set", document=name, data={}, if_match=known["revision"]),
            await client.send("set", document=name, data={"n": 2}),
        ]
        replies = [await client.reply(request) for request in asked]
        assert ["error" in reply for reply in replies] == [True, False]


async def test_a_turn_is_measured_by_the_round_trips_of_its_client(
    patient_server: RunningServer,
) -> None:
    """What may last a minute lasts some milliseconds for clients that are near."""
    name = unique("doc")
    async with native_socket(patient_server) as client, losers(patient_server, name):
        newest = await client.document("get", document=name)
        reply = await client.ask("set", document=name, data={}, if_match=newest["revision"])
        assert "ok" in reply


CROWD = turns.CROWD + 4
ROUNDS = 4


class Writer:
    """A client that adds to a number, and asks for its turn before each write."""

    def __init__(self, socket: NativeSocket, name: str) -> None:
        self.socket, self._name = socket, name
        self.turns = 0

    async def add_often(self) -> None:
        for _ in range(ROUNDS):
            await self.add()

    async def add(self) -> None:
        """Add 1; a turn may run out on a busy machine, and then the write is refused."""
        known = await self.socket.ok("get", document=self._name, turn=True)
        while True:
            self.turns += known.get("turn") is True
            document = known["document"]
            reply = await self.socket.ask(
                "set",
                document=self._name,
                data={"n": document["data"]["n"] + 1},
                if_match=document["revision"],
                conflate=True,
            )
            if "ok" in reply:
                return
            known = reply["error"]


async def test_writers_that_ask_for_their_turns_lose_nothing_and_end_at_the_newest_state(
    patient_server: RunningServer,
) -> None:
    name = unique("doc")
    async with AsyncExitStack() as stack:
        writers = []
        for number in range(CROWD):
            token = patient_server.token(f"writer {number}")
            socket = await stack.enter_async_context(native_socket(patient_server, token))
            await socket.ok("open", document=name, data={"n": 0})
            writers.append(Writer(socket, name))
        await asyncio.gather(*(writer.add_often() for writer in writers))
        assert any(writer.turns for writer in writers)
        last = await writers[0].socket.document("get", document=name)
        assert last["data"] == {"n": CROWD * ROUNDS}
        # Nobody waits now: after the next event at the latest, each of them receives all.
        changes = [
            (await writers[0].socket.document("set", document=name, data={}))["revision"]
            for _ in range(2)
        ]
        for writer in writers:
            received = await writer.socket.updates(changes[-1])
            assert received == sorted(set(received), key=int)
        change = (await writers[0].socket.document("set", document=name, data={}))["revision"]
        for writer in writers:
            assert await writer.socket.updates(change) == [change]


async def test_without_rivals_a_turn_is_asked_for_in_vain(patient_server: RunningServer) -> None:
    name = unique("doc")
    async with native_socket(patient_server) as client:
        opened = await client.document("open", document=name, data={"n": 1})
        reply = await client.ok("get", document=name, turn=True)
        assert reply["document"]["revision"] == opened["revision"] and "turn" not in reply


async def test_a_request_behind_it_does_not_wait_for_a_turn(
    patient_server: RunningServer,
) -> None:
    name = unique("doc")
    async with native_socket(patient_server) as client, losers(patient_server, name):
        asked = [
            await client.send("get", document=name, turn=True),
            await client.send("set", document=name, data={"n": 2}),
        ]
        first, second = [await client.reply(request) for request in asked]
        assert "turn" not in first["ok"] and "ok" in second
