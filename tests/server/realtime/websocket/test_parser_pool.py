from __future__ import annotations

import zlib
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol

from syncline_server.realtime.websocket.parser_pool import (
    IDLE_LIMIT,
    ParserPool,
    is_exceeded,
    plain_messages,
)

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


def test_a_compressed_message_that_is_truncated_is_marked() -> None:
    parser = ParserPool(1000, inflates=True, truncates=True).borrow()
    assert [frame.data for frame in parse(parser, masked(compressed(b"x"), rsv1=True))] == [b"x"]
    assert not is_exceeded(parser)
    [frame] = parse(parser, masked(compressed(b"y" * 5000), rsv1=True))
    assert (frame.data, frame.fin) == (b"y" * 1000, True)
    assert is_exceeded(parser) and parser.close_sent is None


def test_compressed_frames_are_refused_where_none_were_agreed_upon() -> None:
    parser = ParserPool(LIMIT).borrow()
    parse(parser, masked(compressed(b"x" * 500), rsv1=True))
    assert parser.close_sent is not None and parser.close_sent.code == 1002


@pytest.mark.parametrize("inflates", [False, True])
def test_the_limit_is_for_what_comes_out(inflates: bool) -> None:
    parser = ParserPool(1000, inflates=inflates).borrow()
    data = masked(compressed(b"x" * 1001), rsv1=True) if inflates else masked(b"x" * 1001)
    assert parse(parser, data) == []
    assert parser.close_sent is not None and parser.close_sent.code == 1009


CLOSE = Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True)
FRAGMENT = Frame(Opcode.TEXT, b"part", fin=False).serialize(mask=True)
UNMASKED = Frame(Opcode.TEXT, b"plain").serialize(mask=False)
LONG_WINDED = b"\x81\xfe\x00\x05\x00\x00\x00\x00hello"
"""Its length could be written shorter."""


@pytest.mark.parametrize("size", [1, 125, 126, 65_535])
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_plain_messages_need_no_parser(size: int, opcode: Opcode) -> None:
    one = Frame(opcode, b"x" * size).serialize(mask=True)
    assert plain_messages(one, LIMIT) == ([(opcode, b"x" * size)], b"")
    assert plain_messages(one * 3, LIMIT) == ([(opcode, b"x" * size)] * 3, b"")


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        masked(b"whole")[:-1],
        masked(b"x" * 200)[:3],
        masked(b""),
        masked(b"x" * 65_536),
        masked(b"x" * 1001),
        masked(b"x", rsv1=True),
        CLOSE,
        FRAGMENT,
        UNMASKED,
        LONG_WINDED,
        b"\x81",
    ],
    # The masks are random, and every process that runs tests must give them the same ids.
    ids=count(),
)
def test_what_is_in_any_way_else_is_left(rest: bytes) -> None:
    data = masked(b"a") + masked(b"b") + rest
    assert plain_messages(data, 1000) == ([(Opcode.TEXT, b"a"), (Opcode.TEXT, b"b")], rest)


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.data())
def test_they_and_a_parser_make_the_same_of_it(messages: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(map(masked, messages))
    cut = data.draw(st.integers(0, len(stream)))
    begun, rest = plain_messages(stream[:cut], LIMIT)
    parser = ParserPool(LIMIT).borrow()
    frames = parse(parser, rest) + parse(parser, stream[cut:])
    assert [message for _, message in begun] + [bytes(f.data) for f in frames] == messages


def test_one_that_came_back_is_lent_again() -> None:
    parsers = ParserPool(LIMIT)
    parser = parsers.borrow()
    parse(parser, masked(b"one"))
    parsers.give_back(parser)
    assert parsers.borrow() is parser
    assert [frame.data for frame in parse(parser, masked(b"two"))] == [b"two"]
    assert parsers.borrow() is not parser


def test_no_more_are_kept_than_may_be() -> None:
    parsers = ParserPool(LIMIT)
    lent = [parsers.borrow() for _ in range(IDLE_LIMIT + 1)]
    for parser in lent:
        parsers.give_back(parser)
    again = [parsers.borrow() for _ in range(IDLE_LIMIT + 1)]
    assert len(set(map(id, lent)) & set(map(id, again))) == IDLE_LIMIT


def test_one_of_other_limits_is_not_kept() -> None:
    wary, trusting = ParserPool(100), ParserPool(LIMIT)
    parser = wary.borrow()
    trusting.give_back(parser)
    assert trusting.borrow() is not parser
