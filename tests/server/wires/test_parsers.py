from __future__ import annotations

import zlib

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol

from syncline_server.wires.parsers import IDLE_LIMIT, Parsers, size_on_the_wire

LIMIT = 1_000_000


def masked(payload: bytes, *, rsv1: bool = False) -> bytes:
    frame = bytearray(Frame(Opcode.TEXT, payload).serialize(mask=True))
    frame[0] |= 0x40 * rsv1
    return bytes(frame)


def compressed(payload: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return (deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]


def parse(parser: Protocol, data: bytes) -> list[Frame]:
    parser.receive_data(data)
    return [event for event in parser.events_received() if isinstance(event, Frame)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
@pytest.mark.parametrize("inflates", [False, True])
def test_frames_are_known_by_their_size(size: int, inflates: bool) -> None:
    parser, data = Parsers(LIMIT, inflates=inflates).lend(), masked(b"x" * size)
    [frame] = parse(parser, data)
    assert size_on_the_wire(parser, frame) == len(data)


def test_compressed_ones_by_what_they_were_on_the_wire() -> None:
    parser = Parsers(LIMIT, inflates=True).lend()
    messages = [masked(compressed(b"x" * 5000), rsv1=True), masked(b"y"), masked(b"z" * 200)]
    frames = parse(parser, b"".join(messages))
    assert [frame.data for frame in frames] == [b"x" * 5000, b"y", b"z" * 200]
    assert [size_on_the_wire(parser, frame) for frame in frames] == [len(m) for m in messages]


def test_compressed_frames_are_refused_where_none_were_agreed_upon() -> None:
    parser = Parsers(LIMIT).lend()
    parse(parser, masked(compressed(b"x" * 500), rsv1=True))
    assert parser.close_sent is not None and parser.close_sent.code == 1002


@pytest.mark.parametrize("inflates", [False, True])
def test_the_limit_is_for_what_comes_out(inflates: bool) -> None:
    parser = Parsers(1000, inflates=inflates).lend()
    data = masked(compressed(b"x" * 1001), rsv1=True) if inflates else masked(b"x" * 1001)
    assert parse(parser, data) == []
    assert parser.close_sent is not None and parser.close_sent.code == 1009


def test_one_that_came_back_is_lent_again() -> None:
    parsers = Parsers(LIMIT)
    parser = parsers.lend()
    parse(parser, masked(b"one"))
    parsers.take_back(parser)
    assert parsers.lend() is parser
    assert [frame.data for frame in parse(parser, masked(b"two"))] == [b"two"]
    assert parsers.lend() is not parser


def test_no_more_are_kept_than_may_be() -> None:
    parsers = Parsers(LIMIT)
    lent = [parsers.lend() for _ in range(IDLE_LIMIT + 1)]
    for parser in lent:
        parsers.take_back(parser)
    again = [parsers.lend() for _ in range(IDLE_LIMIT + 1)]
    assert len(set(map(id, lent)) & set(map(id, again))) == IDLE_LIMIT


def test_one_of_other_limits_is_not_kept() -> None:
    wary, trusting = Parsers(100), Parsers(LIMIT)
    parser = wary.lend()
    trusting.take_back(parser)
    assert trusting.lend() is not parser
