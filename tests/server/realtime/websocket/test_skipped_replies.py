"""Confirmations of the vendor's SDKs: C skips exactly those that the frame reader would ignore."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from websockets.frames import Frame, Opcode

from support.times import Times
from support.twilsock import Dialect, javascript, kotlin
from syncline_protocol import twilsock
from syncline_server.config.settings import Settings
from syncline_server.pubsub.outlets import IN_C
from syncline_server.realtime.websocket.parser_pool import plain_messages

from .test_socket import Conversation

if IN_C is None:
    pytest.skip("the extension is not built", allow_module_level=True)

LIMIT = 1 << 20

skip: Callable[[bytes], tuple[int, bytes]] = getattr(IN_C, "skip_replies")  # noqa: B009

REPLY = twilsock.encode_reply("ET0123456789abcdef-1806543210987654")


def masked(payload: bytes, opcode: Opcode = Opcode.BINARY) -> bytes:
    return Frame(opcode, payload).serialize(mask=True)


def expected(data: bytes) -> tuple[int, bytes]:
    """What must be skipped, as the reader of frames and the codec see it."""
    count = 0
    while True:
        messages, _ = plain_messages(data, LIMIT)
        if not messages or messages[0][0] is not Opcode.BINARY:
            return count, data
        payload = messages[0][1]
        if len(payload) > 1024 or not twilsock.is_reply(payload):
            return count, data
        data = data[len(masked(payload)) :]
        count += 1


@pytest.mark.parametrize("encode", [javascript, kotlin])
@pytest.mark.parametrize("size", [1, 20, 64, 65, 200, 900])
def test_replies_of_every_size_are_skipped(encode: Dialect, size: int) -> None:
    header = {"method": "reply", "id": "i" * size, "status": {"code": 200, "status": "OK"}}
    turned = {"id": "i" * size, "method": "reply"}
    data = masked(encode(header, b"")) + masked(encode(turned, b""))
    assert skip(data) == (2, b"")
    assert skip(data + b"\x82") == (2, b"\x82")


def test_other_messages_are_left() -> None:
    reply = masked(REPLY)
    others = [
        masked(twilsock.encode_ping("1")),
        masked(REPLY, Opcode.TEXT),
        masked(REPLY.replace(b"V3.0", b"V3.1")),
        masked(REPLY.replace(b'"reply"', b'"replay"')),
        masked(twilsock.encode_reply("i" * 1100)),
        masked(b""),
        Frame(Opcode.BINARY, REPLY, fin=False).serialize(mask=True),
        bytes([reply[0] | 0x40]) + reply[1:],
        Frame(Opcode.BINARY, REPLY).serialize(mask=False),
        Frame(Opcode.PING, b"").serialize(mask=True),
        # A length in more bytes than it needs.
        b"\x82\xfe\x00\x40" + bytes(4) + REPLY[:64],
    ]
    for other in others:
        assert skip(other) == (0, other)
        assert skip(reply + other + reply) == (1, other + reply)


def test_a_frame_that_is_not_whole_is_left() -> None:
    reply = masked(REPLY)
    for end in range(len(reply)):
        assert skip(reply[:end]) == (0, reply[:end])
        assert skip(reply + reply[:end]) == (1, reply[:end])


def test_c_and_the_codec_agree() -> None:
    dice = random.Random(20_260_131)
    skipped = 0
    for _ in range(20_000):
        frames = []
        for _ in range(dice.randrange(1, 4)):
            payload = bytearray(REPLY if dice.random() < 0.5 else kotlin({"method": "reply"}))
            for _ in range(dice.choice([0, 0, 1, 2])):
                at = dice.randrange(len(payload))
                match dice.randrange(3):
                    case 0:
                        payload[at] = dice.choice(b'"\\{},0\r\n x')
                    case 1:
                        del payload[at]
                    case _:
                        payload.insert(at, dice.choice(b'"\\9\r'))
            frames.append(masked(bytes(payload)))
        data = b"".join(frames)[: None if dice.random() < 0.9 else dice.randrange(40, 200)]
        assert skip(data) == expected(data), data
        skipped += skip(data)[0]
    assert skipped > 10_000


class TestSocket:
    @pytest.fixture
    async def talk(self) -> Conversation:
        return Conversation(Times(), skip=skip)

    async def test_only_clients_that_have_authenticated_are_spared(
        self, talk: Conversation
    ) -> None:
        talk.socket.data_received(masked(REPLY))
        assert talk.handler.received == [REPLY]
        talk.socket.allow_full_messages()
        talk.socket.data_received(masked(REPLY))
        assert talk.handler.received == [REPLY]

    async def test_messages_around_them_are_read(self, talk: Conversation) -> None:
        talk.socket.allow_full_messages()
        reply, message = masked(REPLY), masked(b"message")
        talk.socket.data_received(reply + message + reply)
        assert talk.handler.received == [b"message", REPLY]

    async def test_in_pieces_they_are_read(self, talk: Conversation) -> None:
        talk.socket.allow_full_messages()
        data = masked(REPLY) * 3
        for at in range(len(data)):
            talk.socket.data_received(data[at : at + 1])
        assert talk.handler.received == [REPLY] * 3
        talk.socket.data_received(data)
        assert talk.handler.received == [REPLY] * 3

    async def test_within_a_fragmented_message_none_is_skipped(self, talk: Conversation) -> None:
        talk.socket.allow_full_messages()
        begun = Frame(Opcode.BINARY, b"begun", fin=False).serialize(mask=True)
        talk.socket.data_received(begun)
        talk.socket.data_received(masked(REPLY))  # a breach of the protocol
        assert talk.read_frames()[-1].opcode is Opcode.CLOSE

    async def test_they_count_against_the_rate_of_frames(self) -> None:
        talk = Conversation(Times(), Settings(connection_rate=3), skip=skip)
        talk.socket.allow_full_messages()
        talk.socket.data_received(masked(REPLY) * 3)
        assert not talk.network.reading
        talk.run_timers(next(after for after, _ in talk.times.timers if 0 < after <= 1))
        assert talk.network.reading
