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
