"""Confirmations that are read without the transport: nothing is lost, late, or out of order."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import uvloop
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from support.limits import WAIT_LIMIT
from support.times import Times
from syncline_protocol import twilsock
from syncline_server.config.settings import Settings
from syncline_server.observability.audit import Audit
from syncline_server.observability.metrics import Limit, Meters
from syncline_server.pubsub.cork import Cork
from syncline_server.pubsub.outlets import IN_C
from syncline_server.realtime.admission import Admission
from syncline_server.realtime.connections import ConnectionRegistry
from syncline_server.realtime.websocket.reply_reading import ReplyReader
from syncline_server.realtime.websocket.route import WebSocketRoute
from syncline_server.realtime.websocket.socket import Socket
from syncline_server.realtime.websocket.socket_protocol import socket_protocol
from syncline_server.realtime.websocket.states import Pause

if not hasattr(IN_C, "ReplyReader"):
    pytest.skip("the extension is not built, or not for Linux", allow_module_level=True)

skip: Callable[[bytes], tuple[int, bytes]] = getattr(IN_C, "skip_replies")  # noqa: B009

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: `close` sends a reset


def masked(payload: bytes, opcode: Opcode = Opcode.BINARY) -> bytes:
    return Frame(opcode, payload).serialize(mask=True)


REPLY = masked(twilsock.encode_reply("ET0123456789abcdef-1806543210987654"))


class Handler:
    def __init__(self) -> None:
        self.received: asyncio.Queue[Any] = asyncio.Queue()
        self.ended = asyncio.Event()

    def on_message(self, message: str | bytes) -> None:
        # As the protocol ignores them: behind another message they are not skipped.
        assert isinstance(message, bytes)
        if not twilsock.is_reply(message):
            self.received.put_nowait(message)

    def on_oversized(self, message: Any) -> None:
        self.received.put_nowait(message)

    def on_congestion(self) -> None: ...
    def on_relief(self) -> None: ...
    def on_slow(self) -> None: ...

    def on_end(self) -> None:
        self.ended.set()


class Counted:
    """A reader of replies, which counts its calls."""

    def __init__(self, reader: ReplyReader) -> None:
        self._reader = reader
        self.begun = 0

    def begin(self, *given: Any) -> bool:
        done = self._reader.begin(*given)
        self.begun += done
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)


class Place:
    """A server whose sockets belong to a scenario."""

    def __init__(self, settings: Settings) -> None:
        self.meters = Meters()
        self.times = Times()
        self._handlers: list[Handler] = []
        self._clients: list[socket.socket] = []
        audit = Audit(1, self.meters.limit_hits)
        admission = Admission(settings, ConnectionRegistry(), self.meters, audit, clock=lambda: 0.0)
        self._protocol = socket_protocol(
            {"/": WebSocketRoute(self._make, skip=skip)},
            settings=settings,
            timers=self.times,
            admission=admission,
            meters=self.meters,
            cork=Cork(IN_C),
        )
        assert self._protocol.reply_reader is not None
        self.reader = Counted(self._protocol.reply_reader)
        self._protocol.reply_reader = self.reader

    def _make(self, made: Socket) -> Any:
        self._handlers.append(Handler())
        return self._handlers[-1]

    async def connect(self) -> tuple[Socket, Handler, socket.socket]:
        """A client that has authenticated."""
        loop = asyncio.get_running_loop()
        state = SimpleNamespace(connections=set())
        made = self._protocol(config=None, server_state=state, app_state={})
        listener = socket.create_server(("127.0.0.1", 0))
        server = await loop.create_server(lambda: made, sock=listener)
        client = socket.socket()
        self._clients.append(client)
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(client, listener.getsockname())
        while not state.connections:
            await asyncio.sleep(0)
        server.close()
        request = ClientProtocol(parse_uri("ws://test/")).connect()
        headers = [(name.encode(), value.encode()) for name, value in request.headers.raw_items()]
        made.open(request.method, request.path.encode(), "1.1", headers)
        made.allow_full_messages()
        await self.receive(client, b"\r\n\r\n")
        return made, self._handlers[-1], client

    async def connect_reading(self) -> tuple[Socket, Handler, socket.socket]:
        """A client that has authenticated, and has confirmed something: its replies are read."""
        made, handler, client = await self.connect()
        begun = self.reader.begun
        await send(client, REPLY)
        await until(lambda: self.reader.begun > begun)
        return made, handler, client

    @staticmethod
    async def receive(client: socket.socket, wanted: bytes) -> bytes:
        received = b""
        while wanted not in received:
            data = await asyncio.get_running_loop().sock_recv(client, 1 << 16)
            assert data, received
            received += data
        return received

    def close(self) -> None:
        for client in self._clients:
            client.close()


async def send(client: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(client, data)


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


Scenario = Callable[[Place], Awaitable[None]]


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def play(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Plays a scenario on an event loop."""

    def play(scenario: Scenario, settings: Settings | None = None) -> None:
        async def run() -> None:
            place = Place(settings or Settings())
            try:
                async with asyncio.timeout(WAIT_LIMIT):
                    await scenario(place)
            finally:
                place.close()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(run())

    return play


def test_messages_among_confirmations_arrive_in_order(play: Callable[..., None]) -> None:
    async def scenario(place: Place) -> None:
        dice = random.Random(20_260_131)
        _, handler, client = await place.connect_reading()
        data = b""
        for n in range(300):
            data += REPLY * dice.choice([0, 1, 1, 5]) + masked(b"%d" % n)
        # In pieces: a frame may be cut anywhere.
        while data:
            size = dice.choice([1, 30, len(REPLY), 700, 5000])
            await send(client, data[:size])
            data = data[size:]
            await asyncio.sleep(0)
        assert [await handler.received.get() for _ in range(300)] == [b"%d" % n for n in range(300)]
        # Where only the end of a frame is left, the confirmations go on.
        begun = place.reader.begun
        await send(client, REPLY)
        await until(lambda: place.reader.begun > begun)

    play(scenario)


def test_many_clients_are_read_beside_each_other(play: Callable[..., None]) -> None:
    async def scenario(place: Place) -> None:
        all_ = [await place.connect_reading() for _ in range(70)]
        for n, (_, _, client) in enumerate(all_):
            await send(client, REPLY * 3 + (masked(b"%d" % n) if n % 2 else b""))
        for n, (made, handler, _) in enumerate(all_):
            if n % 2:
                assert await handler.received.get() == b"%d" % n
            if n % 3 == 0:
                made.abort()
                await handler.ended.wait()
        for n, (_, handler, client) in enumerate(all_):
            if n % 3:
                await send(client, REPLY + masked(b"again"))
                assert await handler.received.get() == b"again"

    play(scenario)


def test_more_than_one_read_holds_is_read(play: Callable[..., None]) -> None:
    async def scenario(place: Place) -> None:
        _, handler, client = await place.connect_reading()
        # Nothing is read until all is there, as far as the kernel takes it.
        data = REPLY * 2000
        taken = client.send(data)
        await send(client, data[taken:] + masked(b"message"))
        assert await handler.received.get() == b"message"
        # Edges: what comes next shows, and an end right behind confirmations does.
        begun = place.reader.begun
        await send(client, REPLY)
        await until(lambda: place.reader.begun > begun)
        client.send(REPLY * 3)
        client.shutdown(socket.SHUT_WR)
        await handler.ended.wait()

    # More frames than the usual rate.
    play(scenario, Settings(connection_rate=100_000))


@pytest.mark.parametrize("ending", ["close", "reset", "half"])
def test_the_end_of_a_connection_is_noticed(play: Callable[..., None], ending: str) -> None:
    async def scenario(place: Place) -> None:
        _, handler, client = await place.connect_reading()
        if ending == "half":
            client.shutdown(socket.SHUT_WR)
        else:
            if ending == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            client.close()
        await handler.ended.wait()
        assert place.reader.begun == 1

    play(scenario)


def test_a_close_frame_behind_confirmations_is_answered(play: Callable[..., None]) -> None:
    async def scenario(place: Place) -> None:
        _, handler, client = await place.connect_reading()
        await send(client, REPLY * 2 + Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True))
        assert await place.receive(client, b"\x88\x02\x03\xe8")
        await handler.ended.wait()

    play(scenario)


def test_a_close_by_the_server_reads_on(play: Callable[..., None]) -> None:
    async def scenario(place: Place) -> None:
        made, handler, client = await place.connect_reading()
        made.close(4000, "bye")
        assert await place.receive(client, b"bye")
        await send(client, REPLY + Frame(Opcode.CLOSE, b"\x0f\xa0").serialize(mask=True))
        await handler.ended.wait()

    play(scenario)


def test_they_count_against_the_rate_of_frames(play: Callable[..., None]) -> None:
    async def scenario(place: Place) -> None:
        made, handler, client = await place.connect_reading()  # the first of four
        await send(client, REPLY * 2)
        await send(client, REPLY * 3 + masked(b"later"))
        await until(lambda: place.meters.limit_hits[Limit.CONNECTION_RATE] == 1)
        # What was read may be passed on only when the second is over; nothing more is read.
        await send(client, REPLY + masked(b"last"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert handler.received.empty()
        made._end_rate_pause()
        assert await handler.received.get() == b"later"

    play(scenario, Settings(connection_rate=4))


def test_a_pause_reads_nothing_until_it_ends(play: Callable[..., None]) -> None:
    async def scenario(place: Place) -> None:
        made, handler, client = await place.connect_reading()
        made.pause_reading(Pause.AUTHENTICATION)
        await send(client, REPLY + masked(b"message"))
        for _ in range(20):
            await asyncio.sleep(0)
        assert handler.received.empty()
        made.resume_reading(Pause.AUTHENTICATION)
        assert await handler.received.get() == b"message"

    play(scenario)


def test_a_confirmation_answers_a_ping(play: Callable[..., None]) -> None:
    async def scenario(place: Place) -> None:
        made, handler, client = await place.connect_reading()
        for _ in range(3):
            begun = place.reader.begun
            made._ping()
            await place.receive(client, b"\x89\x00")
            await send(client, REPLY)
            await until(lambda: place.reader.begun > begun)  # noqa: B023
            made._check_pong()
        assert not handler.ended.is_set()
        made._ping()
        made._check_pong()
        await handler.ended.wait()

    play(scenario)


def test_without_its_duplicate_a_socket_is_read_by_its_transport(play: Callable[..., None]) -> None:
    async def scenario(place: Place) -> None:
        made, handler, client = await place.connect_reading()
        made.release_duplicate()
        begun = place.reader.begun
        for n in range(3):
            await send(client, REPLY + masked(b"%d" % n) + REPLY)
            assert await handler.received.get() == b"%d" % n
        client.close()
        await handler.ended.wait()
        assert place.reader.begun == begun

    play(scenario)


def test_a_call_may_end_the_reading_of_others(play: Callable[..., None]) -> None:
    async def scenario(place: Place) -> None:
        first, second = [await place.connect_reading() for _ in range(2)]
        others = [first, second]
        # Both are ready in one call, and whichever is first ends the other.
        for made, handler, _ in others:
            other = next(each for each, *_ in others if each is not made)
            handler.on_message = lambda _, other=other: other.abort()  # type: ignore
        for _, _, client in others:
            await send(client, masked(b"end the other"))
        await asyncio.wait(
            [asyncio.ensure_future(handler.ended.wait()) for _, handler, _ in others],
            return_when=asyncio.FIRST_COMPLETED,
        )

    play(scenario)


def test_nothing_is_left_of_a_reader_and_its_sockets(play: Callable[..., None]) -> None:
    async def scenario(place: Place) -> None:
        await place.connect_reading()

    def readers() -> int:
        gc.collect()
        kind = getattr(IN_C, "ReplyReader")  # noqa: B009
        return sum(type(each) is kind for each in gc.get_objects())

    before = readers()
    play(scenario)
    assert readers() <= before


def test_only_a_socket_with_a_duplicate_is_read() -> None:
    assert IN_C is not None
    reader = getattr(IN_C, "ReplyReader")()  # noqa: B009
    assert not reader.begin(IN_C.Outlet(None), object(), 5)  # type: ignore[arg-type]
    assert not reader.begin(object(), object(), 5)
    assert reader.end(object()) == 0
