from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from syncline_protocol.documents import Updated
from syncline_protocol.objects import Event
from syncline_server.realtime.websocket.frames import (
    DEFLATED_FROM,
    binary_frame,
    deflated,
    deflating,
    text_frame,
)

SIZES = [0, 1, 125, 126, 127, DEFLATED_FROM, 65_535, 65_536, 100_000]


def parsed(frame: bytes, *, inflates: bool = False) -> Frame:
    """What a client makes of a frame."""
    client = Protocol(Side.CLIENT, max_size=None)
    if inflates:
        client.extensions = [PerMessageDeflate(True, True, 15, 15)]
    client.receive_data(frame)
    [event] = client.events_received()
    assert isinstance(event, Frame)
    return event


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_holds_its_message(size: int) -> None:
    payload = b"x" * size
    for make, opcode in ((text_frame, Opcode.TEXT), (binary_frame, Opcode.BINARY)):
        assert parsed(make(payload)) == Frame(opcode, payload)
        assert make(payload) == Frame(opcode, payload).serialize(mask=False)


@pytest.mark.parametrize("size", SIZES)
def test_a_compressed_frame_holds_the_same_message(size: int) -> None:
    frame = text_frame(b"x" * size)
    short = deflated(frame)
    assert (len(short) < len(frame)) == (size >= DEFLATED_FROM)
    assert parsed(short, inflates=True) == Frame(Opcode.TEXT, b"x" * size)


@given(st.binary(max_size=2000))
def test_it_is_never_longer(payload: bytes) -> None:
    frame = binary_frame(payload)
    assert len(deflated(frame)) <= len(frame)
    assert parsed(deflated(frame), inflates=True).data == payload


def test_an_event_is_compressed_once() -> None:
    event = Updated(
        sid="ET",
        unique_name=None,
        revision=2,
        previous=1,
        at_ms=0,
        by="alice",
        data=b'{"a":"' + b"x" * 1000 + b'"}',
        expires_ms=None,
    )
    made = []

    def encode(event: Event) -> bytes:
        made.append(event)
        assert isinstance(event, Updated)
        return text_frame(event.data)

    encode_deflated = deflating(encode)
    first, second = event.encoded(encode_deflated), event.encoded(encode_deflated)
    assert first is second
    assert made == [event]
    assert parsed(first, inflates=True).data == event.data


def test_each_of_several_frames_is_compressed_by_itself() -> None:
    payloads = [b"x" * size for size in (1, 1_000, 70_000, 0)]

    def encode(_: Event) -> bytes:
        return b"".join(map(binary_frame, payloads))

    event = Event(sid="ET1", unique_name=None, revision=1, previous=0, at_ms=0, by="alice")
    frames = deflating(encode)(event)
    client = Protocol(Side.CLIENT, max_size=None)
    client.extensions = [PerMessageDeflate(True, True, 15, 15)]
    client.receive_data(frames)
    assert [each.data for each in client.events_received() if isinstance(each, Frame)] == payloads
    assert deflating(lambda _: b"")(event) == b""
