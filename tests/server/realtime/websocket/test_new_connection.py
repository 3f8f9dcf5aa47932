"""Connections until their first bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.limits import WAIT_LIMIT
from support.server import RunningServer
from support.times import Times
from syncline_server.observability.metrics import Limit, Meters
from syncline_server.realtime.websocket.new_connection import (
    PER_TURN,
    ConnectionStart,
    NewConnection,
)

HANDSHAKE = (
    b"GET /v1/ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
END = b"\r\n"
TIMEOUT = 7.0


class Http:
    """Records what is left to HTTP."""

    def __init__(self) -> None:
        self.connected_at: list[float] = []
        self.received = b""

    def take_over(self, transport: asyncio.Transport, connected_at: float) -> None:
        self.connected_at.append(connected_at)

    def data_received(self, data: bytes) -> None:
        self.received += data


class Transport(asyncio.Transport):
    """A transport to nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: asyncio.BaseProtocol | None = None
        self.is_closed = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def close(self) -> None:
        self.is_closed = True


class Beginning:
    """New connections whose clock and timers the test moves."""

    def __init__(self, *, has_room: bool = True) -> None:
        self.http = Http()
        self.times = Times()
        self.meters = Meters()
        self.connections: set[Any] = set()
        self.turns: list[Callable[[], None]] = []
        undecided = SimpleNamespace(settle=lambda request, peer: None)
        self.start = ConnectionStart(
            lambda: self.http,
            cast(Any, None),
            handshake=cast(Any, undecided),
            connections=self.connections,
            has_room=lambda transport: has_room,
            url_limit=200,
            head_limit=1000,
            timeout=TIMEOUT,
            timers=cast(Any, self.times),
            meters=self.meters,
        )
        self.times.now = 100.0
        cast(Any, self.start)._loop = SimpleNamespace(
            time=lambda: self.times.now, call_soon=self.turns.append
        )

    def connect(self) -> tuple[NewConnection, Transport]:
        connection, transport = self.start(), Transport()
        connection.connection_made(transport)
        return connection, transport

    def next_turn(self) -> None:
        """Run what waits for the next turn of the event loop."""
        turns, self.turns[:] = list(self.turns), []
        for turn in turns:
            turn()


@pytest.fixture
async def beginning() -> Beginning:
    return Beginning()


async def test_what_opens_no_socket_goes_to_http(beginning: Beginning) -> None:
    for data in (b"GET / HTTP/1.1\r\n\r\n", b"G", HANDSHAKE, HANDSHAKE + END):
        connection, transport = beginning.connect()
        beginning.http.received = b""
        connection.data_received(data)
        assert beginning.http.received == data
        assert transport.protocol is cast(Any, beginning.http)
    assert not beginning.connections and not beginning.start.waiting


async def test_a_large_head_and_a_long_url_go_to_http(beginning: Beginning) -> None:
    for data in (
        HANDSHAKE + b"X: " + b"x" * 1000 + END + END,
        HANDSHAKE.replace(b"/v1/ws", b"/" + b"x" * 201) + END,
    ):
        connection, _ = beginning.connect()
        beginning.http.received = b""
        connection.data_received(data)
        assert beginning.http.received == data


async def test_http_refuses_when_there_is_no_room() -> None:
    beginning = Beginning(has_room=False)
    _, transport = beginning.connect()
    assert transport.protocol is cast(Any, beginning.http)
    assert beginning.http.received == b""


async def test_the_time_for_a_head_counts_from_the_connect(beginning: Beginning) -> None:
    connection, _ = beginning.connect()
    beginning.times.now += 5
    connection.data_received(b"G")
    assert beginning.http.connected_at == [100.0]


async def test_who_sends_nothing_is_disconnected_in_time(beginning: Beginning) -> None:
    _, first = beginning.connect()
    beginning.times.now += 2
    _, second = beginning.connect()
    assert beginning.times.run_next() == 100 + TIMEOUT  # one timer, for the first of them
    assert (first.is_closed, second.is_closed) == (True, False)
    assert beginning.times.run_next() == 102 + TIMEOUT
    assert second.is_closed and not beginning.connections
    assert beginning.meters.limit_hits[Limit.HEADER_TIMEOUT] == 2
    assert not beginning.times.timers
    beginning.connect()
    assert len(beginning.times.timers) == 1


async def test_who_leaves_is_forgotten(beginning: Beginning) -> None:
    connection, _ = beginning.connect()
    connection.connection_lost(None)
    connection.data_received(b"late")
    beginning.times.run_next()
    assert not beginning.connections and beginning.http.received == b""
    assert beginning.meters.limit_hits[Limit.HEADER_TIMEOUT] == 0


async def test_a_turn_takes_up_a_few_connections_in_their_order(beginning: Beginning) -> None:
    connections = [beginning.connect()[0] for _ in range(PER_TURN * 2 + 3)]
    for number, connection in enumerate(connections):
        connection.data_received(b"%d," % number)
    wanted = [b"%d," % number for number in range(len(connections))]
    assert beginning.http.received == b"".join(wanted[:PER_TURN])
    connections[PER_TURN].connection_lost(None)
    connections[PER_TURN + 1].data_received(b"more")
    wanted[PER_TURN], wanted[PER_TURN + 1] = b"", b"%d,more" % (PER_TURN + 1)
    beginning.next_turn()
    assert beginning.http.received == b"".join(wanted[: PER_TURN * 2])
    beginning.next_turn()
    assert beginning.http.received == b"".join(wanted)
    beginning.next_turn()
    assert not beginning.turns and not beginning.connections


async def test_bytes_that_wait_are_bounded(beginning: Beginning) -> None:
    connections = [beginning.connect()[0] for _ in range(PER_TURN + 1)]
    for connection in connections:
        connection.data_received(b"x")
    beginning.http.received = b""
    connections[-1].data_received(b"y" * 1000)
    assert beginning.http.received == b"x" + b"y" * 1000
    beginning.next_turn()
    assert beginning.http.received == b"x" + b"y" * 1000


async def test_a_stop_closes_connections_that_have_sent_nothing(beginning: Beginning) -> None:
    connection, transport = beginning.connect()
    connection.shutdown()
    assert transport.is_closed and not beginning.connections


async def _answer(server: RunningServer, *parts: bytes) -> bytes:
    """What the server answers to these bytes, each part after the one before has been sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(WAIT_LIMIT):
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
async def test_a_handshake_may_come_in_any_parts(server: RunningServer, size: int) -> None:
    data = HANDSHAKE + END
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    answer = await _answer(server, *parts)
    assert answer.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (HANDSHAKE.replace(b"/v1/ws", b"/nowhere") + END, b"404"),
        (HANDSHAKE.replace(b": 13", b": 7") + END, b"400"),
        (HANDSHAKE + b"Sec-WebSocket-Protocol: other" + END + END, b"400"),
        (HANDSHAKE + b"Origin: https://elsewhere.example" + END + END, b"101"),
        (HANDSHAKE + b"Content-Length: 3" + END + END, b"400"),
        (HANDSHAKE + b"Transfer-Encoding: gzip" + END + END, b"400"),
        (HANDSHAKE + b"X: " + b"x" * 100_000 + END + END, b"431"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"200"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n", b"200"),
        (b"\x16\x03\x01\x00\xa5", b"400"),
    ],
)
async def test_every_beginning_gets_its_answer(
    server: RunningServer, data: bytes, status: bytes
) -> None:
    answer = await _answer(server, data)
    assert answer.split(b" ")[1] == status, answer
