"""Frames that no client sends, byte for byte, and what becomes of the connection."""

from __future__ import annotations

import asyncio
import base64
import random
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest

from support.metrics import hits
from support.server import RunningServer, StartServer
from support.socket import WAIT

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10

ASKED = b'{"id":2,"do":"ping"}'
ANSWER = b'{"id":2,"ok":{}}'

MESSAGE_LIMIT, AUTH_MESSAGE_LIMIT, OVERSIZED_LIMIT = 262_144, 16_384, 16_777_216
"""Defaults of the settings of those names."""


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    length: int | None = None,
    digits: int | None = None,
) -> bytes:
    """A frame of a client.

    Args:
        reserved: the three bits, as a number.
        length: what it says of itself; None for the truth.
        digits: bytes in which it says so, 0, 2 or 8; None for the fewest.
    """
    size = len(payload) if length is None else length
    width = digits if digits is not None else 0 if size < 126 else 2 if size < 65_536 else 8
    mark = {0: size, 2: 126, 8: 127}[width]
    head = bytes([fin << 7 | reserved << 4 | opcode, masked << 7 | mark])
    head += {0: b"", 2: struct.pack(">H", size & 0xFFFF), 8: struct.pack(">Q", size)}[width]
    if not masked:
        return head + payload
    mask = b"\x37\xfa\x21\x3d"
    repeated = (mask * (len(payload) // 4 + 1))[: len(payload)]
    # As numbers: some payloads have megabytes.
    masked_payload = int.from_bytes(payload) ^ int.from_bytes(repeated)
    return head + mask + masked_payload.to_bytes(len(payload))


class RawSocket:
    """A connection after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def receive(self) -> tuple[int, bytes]:
        """The next frame of the server: opcode and payload."""
        async with asyncio.timeout(WAIT):
            head = await self._reader.readexactly(2)
            size = head[1]
            if size == 126:
                size = int.from_bytes(await self._reader.readexactly(2))
            elif size == 127:
                size = int.from_bytes(await self._reader.readexactly(8))
            return head[0] & 15, await self._reader.readexactly(size)

    async def closed(self) -> int:
        """The code with which the server closes; what comes before is passed over."""
        while True:
            opcode, payload = await self.receive()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2])


@asynccontextmanager
async def raw_socket(
    server: RunningServer, *, auth: bool = True, deflates: bool = False
) -> AsyncIterator[RawSocket]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    lines = [
        "GET /v1/ws HTTP/1.1",
        "Host: a",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *(["Sec-WebSocket-Extensions: permessage-deflate"] if deflates else []),
    ]
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(WAIT):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert (b"permessage-deflate" in head) == deflates
        socket = RawSocket(reader, writer)
        if auth:
            socket.send(frame(TEXT, orjson.dumps({"id": 1, "do": "auth", "token": server.token()})))
            assert b'"id":1,"ok"' in (await socket.receive())[1]
        yield socket
    finally:
        writer.close()


FATAL: dict[str, tuple[bytes, int]] = {
    "first reserved bit": (frame(TEXT, ASKED, reserved=4), 1002),
    "second reserved bit": (frame(TEXT, ASKED, reserved=2), 1002),
    "third reserved bit": (frame(TEXT, ASKED, reserved=1), 1002),
    "opcode 3": (frame(3, ASKED), 1002),
    "opcode 11": (frame(11), 1002),
    "a control frame in fragments": (frame(PING, b"a", fin=False), 1002),
    "a long control frame": (frame(PING, b"a" * 126), 1002),
    "no mask": (frame(TEXT, ASKED, masked=False), 1002),
    "a length of 2^63": (frame(TEXT, length=1 << 63, digits=8), 1009),
    "a length of 2^64 - 1": (frame(TEXT, length=(1 << 64) - 1, digits=8), 1009),
    "a length beyond the limit": (frame(TEXT, length=OVERSIZED_LIMIT + 1), 1009),
    "fragments beyond the limit": (
        frame(TEXT, b"x" * MESSAGE_LIMIT, fin=False) + frame(CONTINUATION, b"x"),
        1009,
    ),
    "a continuation of nothing": (frame(CONTINUATION, ASKED), 1002),
    "a message within a message": (frame(TEXT, b"{", fin=False) + frame(TEXT, ASKED), 1002),
    "text that is not UTF-8": (frame(TEXT, b'{"id":1,"do":"\xff"}'), 1007),
    "text with a surrogate": (frame(TEXT, b'{"id":1,"do":"\xed\xa0\x80"}'), 1007),
    "text longer than need be": (frame(TEXT, b'{"id":1,"do":"\xc0\xaf"}'), 1007),
    "a broken character over two frames": (
        frame(TEXT, b'{"id":1,"do":"\xc3', fin=False) + frame(CONTINUATION, b'\x28"}'),
        1007,
    ),
    "a binary frame": (frame(BINARY, ASKED), 4500),
    "compressed, though that was not agreed upon": (
        frame(TEXT, zlib.compress(ASKED), reserved=4),
        1002,
    ),
    "a close code that is none": (frame(CLOSE, struct.pack(">H", 1005)), 1002),
    "half a close code": (frame(CLOSE, b"\x03"), 1002),
    "a reason that is not UTF-8": (frame(CLOSE, struct.pack(">H", 1000) + b"\xff"), 1007),
}


@pytest.mark.parametrize("sent", FATAL)
async def test_what_violates_the_protocol_ends_the_connection(
    server: RunningServer, sent: str
) -> None:
    data, code = FATAL[sent]
    async with raw_socket(server) as socket:
        # Nothing that follows is carried out.
        socket.send(data + frame(TEXT, ASKED))
        assert await socket.closed() == code


@pytest.mark.parametrize(("then", "code"), [(TEXT, 1002), (BINARY, 1002), (3, 1002)])
async def test_a_message_that_is_begun_must_be_ended(
    server: RunningServer, then: int, code: int
) -> None:
    async with raw_socket(server) as socket:
        socket.send(frame(TEXT, ASKED[:5], fin=False) + frame(PING, b"x"))
        # What follows is in a read of its own.
        assert await socket.receive() == (PONG, b"x")
        socket.send(frame(then, ASKED) + frame(CONTINUATION, ASKED[5:]))
        assert await socket.closed() == code


HARMLESS: dict[str, tuple[bytes, list[tuple[int, bytes]]]] = {
    "a long length for a short message": (frame(TEXT, ASKED, digits=8), [(TEXT, ANSWER)]),
    "a ping within a message": (
        frame(TEXT, ASKED[:5], fin=False) + frame(PING, b"x") + frame(CONTINUATION, ASKED[5:]),
        [(PONG, b"x"), (TEXT, ANSWER)],
    ),
    "a pong that nobody asked for": (frame(PONG, b"x") + frame(TEXT, ASKED), [(TEXT, ANSWER)]),
    "many empty fragments": (
        frame(TEXT, ASKED[:5], fin=False)
        + frame(CONTINUATION, fin=False) * 500
        + frame(CONTINUATION, ASKED[5:]),
        [(TEXT, ANSWER)],
    ),
}


@pytest.mark.parametrize("sent", HARMLESS)
async def test_what_is_only_odd_is_answered(server: RunningServer, sent: str) -> None:
    data, answers = HARMLESS[sent]
    async with raw_socket(server) as socket:
        for _ in range(2):
            # In bytes of their own too, so that a parser is kept for each.
            for piece in (data[:3], data[3:]):
                socket.send(piece)
            assert [await socket.receive() for _ in answers] == answers


async def test_before_authentication_a_message_is_announced_in_vain(server: RunningServer) -> None:
    async with raw_socket(server, auth=False) as socket:
        socket.send(frame(TEXT, length=AUTH_MESSAGE_LIMIT + 1))
        assert await socket.closed() == 1009


def deflated(payload: bytes) -> bytes:
    """As RFC 7692 has it, without the end of the last block."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


LARGE = b'{"id":7,"do":"ping","x":"' + b"x" * MESSAGE_LIMIT + b'"}'


def fragments(payload: bytes, size: int, first: bytes = b"") -> list[bytes]:
    """A text message in frames of that size; `first` stands before each but the first."""
    parts = [payload[start : start + size] for start in range(0, len(payload), size)]
    frames = [frame(TEXT, parts[0], fin=False)]
    frames += [first + frame(CONTINUATION, part, fin=False) for part in parts[1:-1]]
    return [*frames, first + frame(CONTINUATION, parts[-1])]


OVERSIZED = {
    "in one frame": frame(TEXT, LARGE),
    "in frames of 64 KiB": b"".join(fragments(LARGE, 65_536)),
    "in a long frame and a short one": b"".join(fragments(LARGE, MESSAGE_LIMIT + 10)),
    "in a short frame and a long one": frame(TEXT, LARGE[:30], fin=False)
    + frame(CONTINUATION, LARGE[30:]),
    "with an empty frame at its end": frame(TEXT, LARGE, fin=False) + frame(CONTINUATION),
}


@pytest.mark.parametrize("sent", OVERSIZED)
@pytest.mark.parametrize("piece", [1 << 30, 16_384, 65_537])
async def test_a_large_message_is_refused_and_what_surrounds_it_is_answered(
    server: RunningServer, sent: str, piece: int
) -> None:
    data = frame(TEXT, ASKED) + OVERSIZED[sent] + frame(TEXT, ASKED)
    async with raw_socket(server) as socket:
        for start in range(0, len(data), piece):
            socket.send(data[start : start + piece])
        replies = [await socket.receive() for _ in range(3)]
        assert [replies[0], replies[2]] == [(TEXT, ANSWER)] * 2
        refused = orjson.loads(replies[1][1])
        assert (refused["id"], refused["error"]["status"]) == (7, 413)
        assert (refused["error"]["code"], refused["error"]["retry"]) == (54006, False)
        assert str(len(LARGE)) in refused["error"]["message"]


async def test_pings_within_a_large_message_are_answered(server: RunningServer) -> None:
    async with raw_socket(server) as socket:
        sent = fragments(LARGE, 100_000, frame(PING, b"x"))
        socket.send(b"".join(sent))
        assert [await socket.receive() for _ in sent[1:]] == [(PONG, b"x")] * (len(sent) - 1)
        assert (await socket.receive())[1].startswith(b'{"id":7,"error"')


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, LARGE, fin=False) + frame(TEXT, ASKED), 1002),
        (frame(CONTINUATION, LARGE), 1009),
        (frame(TEXT, LARGE, reserved=4), 1009),
        (frame(TEXT, b'{"x":1,"id":7' + LARGE), 1009),
        (frame(BINARY, LARGE), 1009),
    ],
)
async def test_a_large_message_that_cannot_be_answered_ends_the_connection(
    server: RunningServer, sent: bytes, code: int
) -> None:
    async with raw_socket(server) as socket:
        socket.send(sent + frame(TEXT, ASKED))
        assert await socket.closed() == code


async def test_a_message_beyond_the_oversized_limit_ends_the_connection(
    fresh_server: StartServer,
) -> None:
    server = fresh_server("--oversized-limit=400000")
    begun = frame(TEXT, LARGE[:-2], fin=False)
    async with raw_socket(server) as socket:
        socket.send(begun + frame(CONTINUATION, b"x" * (400_000 - len(LARGE) + 2)))
        assert (await socket.receive())[1].startswith(b'{"id":7,"error"')
        # The first frame that goes beyond it is announced in vain.
        socket.send(begun + frame(CONTINUATION, length=400_001 - len(LARGE) + 2))
        assert await socket.closed() == 1009
    assert hits(server, "oversized_limit") == 1


BOMB = deflated(bytes(50_000_000))
assert len(BOMB) < MESSAGE_LIMIT


async def test_what_is_small_only_while_it_is_compressed(fresh_server: StartServer) -> None:
    server = fresh_server("--deflate")
    halves = BOMB[:100], BOMB[100:]
    for sent, auth, code in [
        (frame(TEXT, BOMB, reserved=4), True, 1009),
        (
            frame(TEXT, halves[0], reserved=4, fin=False) + frame(CONTINUATION, halves[1]),
            True,
            1009,
        ),
        (frame(TEXT, deflated(b"x" * (AUTH_MESSAGE_LIMIT + 1)), reserved=4), False, 1009),
        (frame(TEXT, b"\xff\xff\xff", reserved=4), True, 1002),
        (frame(PING, deflated(b"x"), reserved=4), True, 1002),
    ]:
        async with raw_socket(server, auth=auth, deflates=True) as socket:
            socket.send(sent)
            assert await socket.closed() == code
    large = deflated(LARGE)
    noise = deflated(LARGE[:-2] + base64.b64encode(random.randbytes(500_000)) + LARGE[-2:])
    assert len(large) < MESSAGE_LIMIT < len(noise)
    for sent in (
        frame(TEXT, large, reserved=4),
        frame(TEXT, large[:-9], reserved=4, fin=False) + frame(CONTINUATION, large[-9:]),
        frame(TEXT, noise, reserved=4),
        frame(TEXT, noise[:500], reserved=4, fin=False) + frame(CONTINUATION, noise[500:]),
        frame(TEXT, LARGE),
    ):
        async with raw_socket(server, deflates=True) as socket:
            socket.send(frame(TEXT, deflated(ASKED), reserved=4) + sent + frame(TEXT, ASKED))
            replies = [await socket.receive() for _ in range(3)]
            assert [replies[0], replies[2]] == [(TEXT, ANSWER)] * 2
            assert replies[1][1].startswith(b'{"id":7,"error":{"code":54006,"status":413')
    async with raw_socket(server, deflates=True) as socket:
        socket.send(frame(TEXT, deflated(ASKED), reserved=4) + frame(TEXT, ASKED))
        assert [await socket.receive() for _ in range(2)] == [(TEXT, ANSWER)] * 2
