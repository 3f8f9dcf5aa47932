"""Writes past the event loop's transports: in Python and in C, on asyncio's loop and on uvloop."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import uvloop

from support.limits import WAIT_LIMIT
from syncline_server.pubsub.cork import Cork
from syncline_server.pubsub.outlets import IN_C, IN_PYTHON, Calls, choose
from syncline_server.pubsub.plain_outlets import FRAMES_LIMIT, Outlet

LARGE = 1 << 20
"""Bytes that no kernel buffers for one connection here."""

BUFFER = 32_768
"""Bytes of the kernel's buffers at either end: without a size, they would grow."""

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: `close` sends a reset

IMPLEMENTATIONS = [
    pytest.param(IN_PYTHON, id="python"),
    pytest.param(
        IN_C, id="c", marks=pytest.mark.skipif(IN_C is None, reason="the extension is not built")
    ),
]

LOOPS = [
    pytest.param(asyncio.new_event_loop, id="asyncio"),
    pytest.param(uvloop.new_event_loop, id="uvloop"),
]

Scenario = Callable[["Network"], Coroutine[Any, Any, None]]


class Peer(asyncio.Protocol):
    """The server's side of a connection, with an outlet.

    Attributes:
        duplicate: the number of the outlet's descriptor.
        lost: done when the event loop has noticed the end of the connection.
    """

    def __init__(self, calls: Calls, made: asyncio.Queue[Peer]) -> None:
        self._calls = calls
        self._made = made
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.number = transport.get_extra_info("socket").fileno()
        self.duplicate = os.dup(self.number)
        self.outlet = self._calls.Outlet(self.transport, self.duplicate)
        self._made.put_nowait(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(None)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False


class Network:
    """Connections of one scenario, with small buffers."""

    def __init__(self, calls: Calls, address: Any) -> None:
        self.calls = calls
        self._address = address
        self._made: asyncio.Queue[Peer] = asyncio.Queue()
        self._clients: list[socket.socket] = []
        self._peers: list[Peer] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, calls: Calls) -> AsyncIterator[Network]:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        self = cls(calls, listener.getsockname())
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Peer(calls, self._made), sock=listener)
        try:
            yield self
        finally:
            server.close()
            for peer in self._peers:
                peer.outlet.release_duplicate()
                peer.transport.abort()
                await peer.lost
            for client in self._clients:
                client.close()

    async def connect(self) -> tuple[Peer, socket.socket]:
        """A connection whose outlet is not clear yet, because nothing was written."""
        client = socket.socket()
        self._clients.append(client)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, self._address)
        peer = await self._made.get()
        self._peers.append(peer)
        return peer, client

    async def connect_clear(self) -> tuple[Peer, socket.socket]:
        """A connection that may be written to past its transport."""
        peer, client = await self.connect()
        peer.outlet.write(b"hello")
        assert await receive(client, 5) == b"hello"
        assert peer.outlet.is_clear
        return peer, client


async def receive(client: socket.socket, size: int) -> bytes:
    """So many bytes from the server; fewer if the connection ends."""
    received = bytearray()
    loop = asyncio.get_running_loop()
    while len(received) < size and (
        data := await loop.sock_recv(client, min(1 << 16, size - len(received)))
    ):
        received += data
    return bytes(received)


def outlets(*peers: Peer) -> dict[Any, Outlet]:
    return {peer: peer.outlet for peer in peers}


@pytest.fixture(params=IMPLEMENTATIONS)
def calls(request: pytest.FixtureRequest) -> Calls:
    return cast(Calls, request.param)


@pytest.fixture(params=LOOPS)
def play(request: pytest.FixtureRequest, calls: Calls) -> Callable[[Scenario], None]:
    """Plays a scenario on an event loop."""

    def play(scenario: Scenario) -> None:
        async def run() -> None:
            async with asyncio.timeout(WAIT_LIMIT), Network.open(calls) as network:
                await scenario(network)

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(run())

    return play


def test_the_extension_is_chosen_where_it_was_built() -> None:
    assert choose("auto") is choose("off") is (IN_C or IN_PYTHON)
    assert choose("python") is IN_PYTHON


def test_the_first_write_goes_by_the_transport(play: Callable[[Scenario], None]) -> None:
    async def scenario(network: Network) -> None:
        peer, client = await network.connect()
        assert peer.outlet.has_duplicate and not peer.outlet.is_clear
        assert network.calls.send_to_all(outlets(peer), b"x") == [(peer.outlet, b"x")]
        peer.outlet.write(b"a")
        assert peer.outlet.is_clear
        peer.outlet.write(b"b")
        assert await receive(client, 2) == b"ab"

    play(scenario)


def test_a_frame_goes_to_all_past_their_transports(play: Callable[[Scenario], None]) -> None:
    async def scenario(network: Network) -> None:
        pairs = [await network.connect_clear() for _ in range(3)]
        for frame in (b"one", b"two"):
            assert network.calls.send_to_all(outlets(*[peer for peer, _ in pairs]), frame) == []
        assert [await receive(client, 6) for _, client in pairs] == [b"onetwo"] * 3

    play(scenario)


def test_what_the_kernel_does_not_take_is_left_to_the_transport(
    play: Callable[[Scenario], None],
) -> None:
    async def scenario(network: Network) -> None:
        peer, client = await network.connect_clear()
        frame = random.Random(1).randbytes(LARGE)
        [(outlet, rest)] = network.calls.send_to_all(outlets(peer), frame)
        # A part of it was sent; what follows must not overtake the rest.
        assert outlet is peer.outlet and 0 < len(rest) < LARGE and frame.endswith(rest)
        assert not outlet.is_clear
        outlet.write(rest)
        assert peer.paused, "the transport's limits count"
        assert network.calls.send_to_all(outlets(peer), b"after") == [(outlet, b"after")]
        outlet.write(b"after")
        assert await receive(client, LARGE + 5) == frame + b"after"
        # The transport is empty again: the write after the next goes past it.
        while peer.transport.get_write_buffer_size():
            await asyncio.sleep(0)
        outlet.write(b"x")
        assert outlet.is_clear
        assert network.calls.send_to_all(outlets(peer), b"y") == []
        assert await receive(client, 2) == b"xy"

    play(scenario)


def test_a_full_kernel_takes_nothing(play: Callable[[Scenario], None]) -> None:
    async def scenario(network: Network) -> None:
        peer, client = await network.connect_clear()
        other, other_client = await network.connect_clear()
        filled = 0
        with socket.socket(fileno=os.dup(peer.duplicate)) as same:
            try:
                while True:
                    filled += same.send(bytes(4096), socket.MSG_DONTWAIT)
            except BlockingIOError:
                pass
        assert network.calls.send_to_all(outlets(peer, other), b"abc") == [(peer.outlet, b"abc")]
        peer.outlet.write(b"abc")
        assert await receive(other_client, 3) == b"abc"
        assert (await receive(client, filled + 3)).endswith(b"\0abc")

    play(scenario)


def test_one_write_may_take_both_ways(play: Callable[[Scenario], None]) -> None:
    async def scenario(network: Network) -> None:
        peer, client = await network.connect_clear()
        frame = random.Random(2).randbytes(LARGE)
        peer.outlet.write(frame)
        assert not peer.outlet.is_clear and peer.paused
        peer.outlet.write(b"after")
        assert await receive(client, LARGE + 5) == frame + b"after"

    play(scenario)


def test_a_reset_connection_keeps_nothing_from_the_others(
    play: Callable[[Scenario], None],
) -> None:
    async def scenario(network: Network) -> None:
        pairs = [await network.connect_clear() for _ in range(3)]
        broken, client = pairs[1]
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        client.close()
        # The event loop has not noticed it.
        left = network.calls.send_to_all(outlets(*[peer for peer, _ in pairs]), b"abc")
        assert left == [(broken.outlet, b"abc")]
        broken.outlet.write(b"abc")  # the transport finds the error, and ends
        await broken.lost
        for _, other in (pairs[0], pairs[2]):
            assert await receive(other, 3) == b"abc"

    play(scenario)


def test_a_number_never_belongs_to_another_connection(play: Callable[[Scenario], None]) -> None:
    async def scenario(network: Network) -> None:
        old, old_client = await network.connect_clear()
        old_client.close()
        await old.lost
        # The descriptor of the transport is free by now, and the kernel gives the lowest ones: the
        # new connections have its number, but not that of the duplicate.
        new = [await network.connect_clear() for _ in range(4)]
        assert old.number in [peer.number for peer, _ in new]
        assert old.duplicate not in [peer.number for peer, _ in new]
        network.calls.send_to_all(outlets(old), b"to nobody")
        for peer, client in new:
            network.calls.send_to_all(outlets(peer), b"mine")
            assert await receive(client, 4) == b"mine"

    play(scenario)


def test_without_its_duplicate_an_outlet_writes_by_the_transport(
    play: Callable[[Scenario], None],
) -> None:
    async def scenario(network: Network) -> None:
        peer, client = await network.connect_clear()
        peer.outlet.release_duplicate()
        peer.outlet.release_duplicate()
        with pytest.raises(OSError):
            os.fstat(peer.duplicate)
        assert not peer.outlet.has_duplicate and not peer.outlet.is_clear
        assert network.calls.send_to_all(outlets(peer), b"x") == [(peer.outlet, b"x")]
        peer.outlet.write(b"x")
        assert not peer.outlet.is_clear
        assert await receive(client, 1) == b"x"
        # Now the transport has the last descriptor: the client sees the end of the stream.
        peer.transport.close()
        assert await receive(client, 1) == b""

    play(scenario)


def test_a_write_after_the_end_of_the_transport_sends_nothing(
    play: Callable[[Scenario], None],
) -> None:
    async def scenario(network: Network) -> None:
        peer, client = await network.connect_clear()
        # As `Socket` closes: a write past the transport would follow its last bytes.
        peer.outlet.release_duplicate()
        peer.transport.close()
        peer.outlet.write(b"late")
        assert await receive(client, 1) == b""

    play(scenario)


@pytest.mark.skipif(IN_C is None, reason="the extension is not built")
def test_an_outlet_that_nobody_has_closes_its_duplicate() -> None:
    assert IN_C is not None
    ours, theirs = socket.socketpair()
    with ours, theirs:
        duplicate = os.dup(ours.fileno())
        outlet = IN_C.Outlet(cast(Any, None), duplicate)
        del outlet
        gc.collect()
        with pytest.raises(OSError):
            os.fstat(duplicate)


def test_corked_frames_leave_together(play: Callable[[Scenario], None]) -> None:
    async def scenario(network: Network) -> None:
        (one, one_client), (two, two_client) = [await network.connect_clear() for _ in range(2)]
        waiting: list[Any] = []
        assert network.calls.cork_all(outlets(one), b"a", waiting) == []
        assert network.calls.cork_all(outlets(one, two), b"b", waiting) == []
        assert waiting == [one.outlet, two.outlet]
        assert (one.outlet.corked, two.outlet.corked) == ([b"a", b"b"], [b"b"])
        assert network.calls.flush_all(waiting) == []
        assert (one.outlet.corked, two.outlet.corked) == (None, None)
        assert network.calls.flush_all(waiting) == [], "they were flushed"
        assert (await receive(one_client, 2), await receive(two_client, 1)) == (b"ab", b"b")

    play(scenario)


def test_what_is_left_of_corked_frames_stays_corked(play: Callable[[Scenario], None]) -> None:
    async def scenario(network: Network) -> None:
        peer, client = await network.connect_clear()
        dice = random.Random(3)
        frames = [dice.randbytes(LARGE // 8) for _ in range(8)]
        waiting: list[Any] = []
        for frame in frames:
            network.calls.cork_all(outlets(peer), frame, waiting)
        assert network.calls.flush_all(waiting) == [peer.outlet]
        assert peer.outlet.corked is not None and not peer.outlet.is_clear
        rest = b"".join(peer.outlet.corked)
        assert 0 < len(rest) < LARGE and b"".join(frames).endswith(rest)
        # Not clear any more: all of it is left.
        assert network.calls.flush_all(waiting) == [peer.outlet]
        peer.outlet.corked = None
        peer.outlet.write(rest)
        assert await receive(client, LARGE) == b"".join(frames)

    play(scenario)


def test_an_outlet_that_is_full_is_left(play: Callable[[Scenario], None]) -> None:
    async def scenario(network: Network) -> None:
        peer, _ = await network.connect_clear()
        waiting: list[Any] = []
        for _ in range(FRAMES_LIMIT - 1):
            assert network.calls.cork_all(outlets(peer), b"x", waiting) == []
        assert network.calls.cork_all(outlets(peer), b"x", waiting) == [peer.outlet]
        assert peer.outlet.corked == [b"x"] * (FRAMES_LIMIT - 1)

    play(scenario)


@pytest.mark.parametrize("seed", range(3))
def test_the_frames_of_each_client_keep_their_order(
    play: Callable[[Scenario], None], seed: int
) -> None:
    async def scenario(network: Network) -> None:
        dice = random.Random(seed)
        pairs = [await network.connect() for _ in range(4)]
        cork = Cork(network.calls)
        sent = {peer: b"" for peer, _ in pairs}
        received = {peer: bytearray() for peer, _ in pairs}
        for number in range(300):
            frame = b"%d," % number * dice.choice([1, 1, 30, 30, 5000])
            some = dice.sample([peer for peer, _ in pairs], dice.randrange(1, 5))
            match dice.randrange(6):
                case 0:
                    cork.add_frame(some[0].outlet, frame)
                    some = some[:1]
                case 1:
                    cork.flush(some[0].outlet)
                    some = []
                case 2 if dice.random() < 0.1:
                    some[0].outlet.release_duplicate()
                    some = []
                case _:
                    cork.write_to_all(cast(Any, outlets(*some)), frame)
            for peer in some:
                sent[peer] += frame
            if dice.random() < 0.5:
                await asyncio.sleep(0)
            for peer, client in pairs:  # they read at their own speeds
                if dice.random() < 0.2 and len(sent[peer]) > len(received[peer]):
                    received[peer] += await receive(client, 1)
        await asyncio.sleep(0)
        for peer, client in pairs:
            received[peer] += await receive(client, len(sent[peer]) - len(received[peer]))
            assert received[peer] == sent[peer]

    play(scenario)


def test_other_outlets_are_left_to_the_caller(calls: Calls) -> None:
    class Other:
        corked: list[bytes] | None = None

        def write(self, data: bytes) -> None: ...

    other, waiting = Other(), list[Any]()
    assert calls.send_to_all({1: other}, b"x") == [(other, b"x")]
    left = calls.cork_all({1: other}, b"x", waiting)
    assert (left, waiting) in [([other], []), ([], [other])]
    other.corked = [b"x"]
    assert calls.flush_all([other]) == [other]


@asynccontextmanager
async def _never() -> AsyncIterator[None]:
    yield


class _nothing:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
