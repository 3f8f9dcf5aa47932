"""Events past the event loop's transports: every way of writing gives each client the same."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from support.api import unique
from support.metrics import scrape
from support.server import RunningServer, StartServer, StartSharedServer
from support.socket import NativeSocket, native_socket
from support.store import eventually
from support.twilsock import TwilsockClient, twilsock_client
from syncline_protocol import twilsock
from syncline_server.pubsub.outlets import IN_C

EVENTS = 60

LARGE = random.Random(1).randbytes(24_000).hex()

OPTIONS = ("--deflate", "--output-mark=32768", "--data-limit=65536")


@pytest.fixture(params=["auto", "python", "off"])
def server(request: pytest.FixtureRequest, shared_server: StartSharedServer) -> RunningServer:
    return shared_server(f"--direct-writes={request.param}", *OPTIONS)


def doubled(server: RunningServer) -> int:
    """Sockets of which the server has two descriptors."""
    numbers = Counter[str]()
    for path in Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            numbers[str(path.readlink())] += 1
        except OSError:
            pass  # closed by now
    return sum(count == 2 for name, count in numbers.items() if name.startswith("socket:"))


async def subscribe(client: TwilsockClient, sid: str) -> None:
    await client.subscribe("establish", 1, {"object_sid": sid, "object_type": "document"})


async def numbers_at(client: TwilsockClient) -> list[int]:
    """The numbers in the events of the document; each is confirmed as the SDKs do."""
    numbers: list[int] = []
    while not numbers or numbers[-1] < EVENTS:
        packet = await client.other("notification")
        await client.connection.send(twilsock.encode_reply(packet.id))
        # The outcome of the subscription is a notification too.
        numbers += map(int, re.findall(rb'"n":(\d+)', packet.payload))
    return numbers


async def events_at(socket: NativeSocket) -> list[int]:
    numbers: list[int] = []
    while not numbers or numbers[-1] < EVENTS:
        numbers.append((await socket.event())["document"]["data"]["n"])
    return numbers


async def test_every_client_gets_every_event_in_order(server: RunningServer) -> None:
    name = unique()
    async with AsyncExitStack() as stack:
        writer = await stack.enter_async_context(native_socket(server))
        created = await writer.document("open", document=name, data={"n": 0})
        await writer.ok("unsubscribe", document=name)
        natives = [
            await stack.enter_async_context(native_socket(server, compression=compression))
            for compression in ("deflate", None)
            for _ in range(2)
        ]
        for native in natives:
            await native.ok("open", document=name)
        sdks = [await stack.enter_async_context(twilsock_client(server)) for _ in range(2)]
        for sdk in sdks:
            await subscribe(sdk, created["sid"])
        # Small and large, so that some go at once and some by the transport.
        for n in range(1, EVENTS + 1):
            data = {"n": n, "text": LARGE if n % 7 == 0 else "short"}
            await writer.send("set", document=name, data=data)
        received = await asyncio.gather(
            *(events_at(native) for native in natives), *(numbers_at(sdk) for sdk in sdks)
        )
        for numbers in received:
            # A client that reads slowly may be spared old states.
            assert numbers == sorted(set(numbers)) and numbers[-1] == EVENTS


async def test_a_second_descriptor_lasts_as_long_as_its_connection(server: RunningServer) -> None:
    await eventually(lambda: doubled(server) == 0)
    is_off = "off" in scrape(server).labels("direct_writes")
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(native_socket(server))
        assert doubled(server) == (0 if is_off else 3)
    await eventually(lambda: doubled(server) == 0)


async def test_metrics_and_status_name_the_way(shared_server: StartSharedServer) -> None:
    for setting, shown in (("auto", "python" if IN_C is None else "c"), ("off", "off")):
        server = shared_server(f"--direct-writes={setting}", *OPTIONS)
        assert scrape(server).value("syncline_build_info", direct_writes=shown) == 1


async def test_tls_stays_on_the_transport(secure_server: RunningServer, authority: Any) -> None:
    before = doubled(secure_server)
    name = unique()
    async with native_socket(secure_server, ssl=authority.context) as socket:
        await socket.ok("open", document=name, data={"n": 0})
        assert doubled(secure_server) == before
        for n in range(1, EVENTS + 1):
            await socket.send("set", document=name, data={"n": n})
        assert await events_at(socket) == list(range(1, EVENTS + 1))


async def test_near_the_limit_of_open_files_connections_come_first(
    fresh_server: StartServer,
) -> None:
    limit, wanted = 160, 80
    server = fresh_server(open_files=limit)
    name = unique()
    async with AsyncExitStack() as stack:
        sockets = []
        for _ in range(wanted):
            sockets.append(await stack.enter_async_context(native_socket(server)))
            await sockets[-1].ok("open", document=name, data={"n": 0})
            if len(sockets) == 10:
                assert doubled(server) == 10
        # All were accepted, although there are no two for each.
        assert doubled(server) < wanted // 2
        assert "each socket has one now" in server.log.read_text()
        await sockets[0].send("set", document=name, data={"n": EVENTS})
        for socket in sockets:
            assert await events_at(socket) == [EVENTS]
