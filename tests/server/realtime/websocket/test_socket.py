"""A socket's protocol class on a network that does what the test says."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from support.times import Times
from syncline_protocol.documents import Updated
from syncline_server.config.settings import Settings
from syncline_server.observability.audit import Audit
from syncline_server.observability.metrics import Limit, Meters
from syncline_server.pubsub.cork import Cork
from syncline_server.realtime.admission import Admission
from syncline_server.realtime.connections import ConnectionRegistry
from syncline_server.realtime.websocket.frames import binary_frame, text_frame
from syncline_server.realtime.websocket.oversized_message import HEAD_LIMIT, OversizedMessage
from syncline_server.realtime.websocket.route import WebSocketRoute
from syncline_server.realtime.websocket.socket import CLOSE_TIMEOUT, Socket
from syncline_server.realtime.websocket.socket_protocol import socket_protocol
from syncline_server.realtime.websocket.states import Pause

SETTINGS = Settings(slow_reader_timeout=7, ping_interval=11, ping_timeout=5, output_mark=16_384)
LARGE = b"x" * 1000


class Network(asyncio.Transport):
    """The transport of a socket: what is written waits until the client takes it.

    Attributes:
        socket: what it pauses when too much waits.
        waiting: in bytes, what the client has not taken.
        reading: False while the socket reads nothing.
        ended: how, once it has: `close` after a farewell, `abort` without, `eof` of one half.
    """

    def __init__(self) -> None:
        super().__init__()
        self.socket: Socket
        self.sent = bytearray()
        self.waiting = 0
        self.reading = True
        self.ended: list[str] = []
        self._high = self._low = 0
        self._congested = False

    def take(self, size: int | None = None) -> None:
        """The client takes so much of what waits; None takes all."""
        self.waiting -= self.waiting if size is None else size
        if self._congested and self.waiting <= self._low:
            self._congested = False
            self.socket.resume_writing()

    def write(self, data: Any) -> None:
        assert "eof" not in self.ended, "as a transport of asyncio refuses it"
        self.sent += data
        self.waiting += len(data)
        if not self._congested and self.waiting > self._high:
            self._congested = True
            self.socket.pause_writing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high, self._low = high or 0, low or 0

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended.append("eof")

    def close(self) -> None:
        self.ended.append("close")

    def abort(self) -> None:
        self.ended.append("abort")


class Handler:
    """Attributes: `received`: everything that the socket handed on."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.received: list[Any] = []

    def on_message(self, message: str | bytes) -> None:
        self.received.append(message)
        if message in ("pause", "pause briefly"):
            self.socket.pause_reading(Pause.AUTHENTICATION)
        if message == "pause briefly":
            self.socket.resume_reading(Pause.AUTHENTICATION)

    def on_oversized(self, message: OversizedMessage) -> None:
        self.received.append(message)

    def on_congestion(self) -> None:
        self.flows = False

    def on_relief(self) -> None:
        self.flows = self.socket.writer.is_direct

    def on_slow(self) -> None:
        self.received.append("slow")
        self.socket.close(4003, "slow")

    def on_end(self) -> None:
        self.received.append("end")


class Conversation:
    """A socket between a network and a message handler, once hands are shaken."""

    def __init__(self, times: Times, settings: Settings = SETTINGS) -> None:
        handlers: list[Handler] = []

        def make(socket: Socket) -> Handler:
            handlers.append(Handler(socket))
            return handlers[0]

        self.times = times
        self.cork = Cork()
        self.connections: set[Any] = set()
        meters = Meters()
        admission = Admission(
            settings, ConnectionRegistry(), meters, Audit(1, meters.limit_hits), clock=lambda: 0.0
        )
        protocol = socket_protocol(
            {"/": WebSocketRoute(make)},
            settings=settings,
            timers=times,
            admission=admission,
            meters=meters,
            cork=self.cork,
        )
        state = SimpleNamespace(connections=self.connections)
        self.socket = protocol(config=None, server_state=state, app_state={})
        self.network = Network()
        self.network.socket = self.socket
        self.socket.connection_made(self.network)
        self.client = ClientProtocol(parse_uri("ws://test/"))
        request = self.client.connect()
        self.client.send_request(request)
        self.client.data_to_send()
        headers = [(name.encode(), value.encode()) for name, value in request.headers.raw_items()]
        self.socket.open(request.method, request.path.encode(), "1.1", headers)
        [self.handler] = handlers
        self.read_frames()

    def send_frames(self, text: str | bytes) -> None:
        """The client sends a message."""
        if isinstance(text, str):
            self.client.send_text(text.encode())
        else:
            self.client.send_binary(text)
        self.pass_on()

    def read_frames(self) -> list[Frame]:
        """The client takes everything; the frames since the last call, but for the handshake."""
        self.end_turn()
        self.network.take()
        self.client.receive_data(bytes(self.network.sent))
        self.network.sent.clear()
        frames = [event for event in self.client.events_received() if isinstance(event, Frame)]
        self.pass_on()
        return frames

    def end_turn(self) -> None:
        """What was sent goes to the network."""
        self.cork.flush(self.socket.writer)

    def run_timers(self, seconds: float) -> None:
        """The timers that were set for so many seconds run, and are gone."""
        due = [timer for after, timer in self.times.timers if after == seconds]
        self.times.timers = [
            (after, timer) for after, timer in self.times.timers if after != seconds
        ]
        for timer in due:
            timer.callback()

    def pass_on(self) -> None:
        for data in self.client.data_to_send():
            if data:
                self.socket.data_received(data)


@pytest.fixture
async def talk() -> Conversation:
    return Conversation(Times())


def updated(sid: str, revision: int) -> Updated:
    return Updated(
        sid=sid,
        unique_name=None,
        revision=revision,
        previous=revision - 1,
        at_ms=0,
        by="alice",
        data=b"{}",
        expires_ms=None,
    )


def fill(talk: Conversation) -> None:
    """Send until the network is congested."""
    for _ in range(SETTINGS.output_mark // len(LARGE) + 1):
        talk.socket.writer.send(text_frame(LARGE))
        talk.end_turn()


class TestMessages:
    async def test_each_is_handed_on_as_it_is(self, talk: Conversation) -> None:
        talk.send_frames("é")
        talk.send_frames(b"\x00\xff")
        talk.client.send_text(b"in ", fin=False)
        talk.client.send_continuation(b"pieces", fin=True)
        talk.send_frames("last")

        assert talk.handler.received == ["é", b"\x00\xff", "in pieces", "last"]

    async def test_frames_go_out_as_they_are(self, talk: Conversation) -> None:
        talk.socket.writer.send(text_frame(b"one"))
        talk.socket.writer.send_event(updated("a", 1), binary_frame(b"two"))

        assert [(f.opcode, f.data) for f in talk.read_frames()] == [
            (Opcode.TEXT, b"one"),
            (Opcode.BINARY, b"two"),
        ]

    async def test_those_that_come_meanwhile_wait_for_the_handler(self, talk: Conversation) -> None:
        talk.send_frames("pause")
        assert not talk.network.reading
        talk.send_frames("one")
        talk.send_frames("pause")
        talk.send_frames("two")
        assert talk.handler.received == ["pause"]
        talk.socket.resume_reading(Pause.AUTHENTICATION)
        assert talk.handler.received == ["pause", "one", "pause"]
        talk.socket.resume_reading(Pause.AUTHENTICATION)

        assert talk.handler.received[3:] == ["two"]
        assert talk.network.reading

    async def test_empty_pieces_leave_nothing(self, talk: Conversation) -> None:
        talk.client.send_text(b"in ", fin=False)
        for _ in range(100):
            talk.client.send_continuation(b"", fin=False)
        talk.client.send_continuation(b"pieces", fin=True)
        talk.send_frames("last")

        assert talk.handler.received == ["in pieces", "last"]

    async def test_handlers_may_pause_within_their_messages(self, talk: Conversation) -> None:
        count = 2 * sys.getrecursionlimit() - 100
        talk.send_frames("pause")
        for _ in range(count):
            talk.send_frames("pause briefly")
        talk.socket.resume_reading(Pause.AUTHENTICATION)

        assert talk.handler.received[1:] == ["pause briefly"] * count


class TestMessageRate:
    async def test_who_sends_too_fast_is_not_read_for_a_moment(self) -> None:
        talk = Conversation(Times(), Settings(connection_rate=5))
        for number in range(12):
            talk.send_frames(str(number))
        assert talk.handler.received == ["0", "1", "2", "3", "4"]
        assert not talk.network.reading
        end_rest(talk)
        assert len(talk.handler.received) == 10
        assert not talk.network.reading
        end_rest(talk)
        assert talk.handler.received == [str(number) for number in range(12)]
        assert talk.network.reading
        assert talk.socket.meters.limit_hits[Limit.CONNECTION_RATE] == 2

    async def test_pings_and_pieces_count_too(self) -> None:
        talk = Conversation(Times(), Settings(connection_rate=3))
        talk.client.send_ping(b"")
        talk.client.send_text(b"a", fin=False)
        talk.client.send_continuation(b"b", fin=True)
        talk.pass_on()
        assert talk.handler.received == ["ab"]
        assert not talk.network.reading

    async def test_a_handler_that_wants_nothing_gets_nothing_when_the_moment_is_over(self) -> None:
        talk = Conversation(Times(), Settings(connection_rate=1))
        talk.send_frames("pause")
        talk.send_frames("one")
        end_rest(talk)
        assert not talk.network.reading
        talk.socket.resume_reading(Pause.AUTHENTICATION)
        assert talk.handler.received == ["pause", "one"]


def end_rest(talk: Conversation) -> None:
    """The moment is over in which the client is not read; it is the last that was asked for."""
    seconds, timer = talk.times.timers.pop()
    assert 0 < seconds <= 1
    timer.callback()


class TestSlowClients:
    async def test_what_waits_is_sent_in_order_when_it_reads_again(
        self, talk: Conversation
    ) -> None:
        fill(talk)
        assert not talk.network.reading
        talk.socket.writer.send(text_frame(b"reply"))
        for revision in (1, 2):
            talk.socket.writer.send_event(updated("a", revision), text_frame(b"a%d" % revision))
        sent = [frame.data for frame in talk.read_frames()]
        sent += [frame.data for frame in talk.read_frames()]

        assert [data for data in sent if data != LARGE] == [b"reply", b"a1", b"a2"]
        assert talk.network.reading

    async def test_one_that_reads_nothing_receives_the_reason_of_its_closure(
        self, talk: Conversation
    ) -> None:
        fill(talk)
        talk.socket.writer.send(text_frame(b"never sent"))
        talk.run_timers(SETTINGS.slow_reader_timeout)
        assert talk.handler.received == ["slow"]
        *_, close = talk.read_frames()
        assert close.opcode is Opcode.CLOSE
        assert talk.client.close_rcvd is not None
        assert talk.client.close_rcvd.code == 4003

    async def test_its_requests_wait_until_it_reads_again(self, talk: Conversation) -> None:
        fill(talk)
        talk.send_frames("request")
        assert talk.handler.received == []
        talk.read_frames()
        assert talk.handler.received == ["request"]

    async def test_nothing_is_sent_after_the_close_though_the_queue_waits(
        self, talk: Conversation
    ) -> None:
        fill(talk)
        talk.socket.writer.send(text_frame(b"queued"))
        talk.socket.close(4000)
        talk.socket.writer.send(text_frame(b"too late"))
        frames = talk.read_frames() + talk.read_frames()
        assert [frame.data for frame in frames if frame.data != LARGE][:-1] == [b"queued"]
        assert frames[-1].opcode is Opcode.CLOSE

    async def test_one_that_takes_little_stays(self, talk: Conversation) -> None:
        fill(talk)
        for _ in range(3):
            talk.network.take(10)
            talk.run_timers(SETTINGS.slow_reader_timeout)

        assert talk.handler.received == []

    async def test_its_time_begins_again_when_it_has_caught_up(self, talk: Conversation) -> None:
        fill(talk)
        [(_, first)] = [
            each for each in talk.times.timers if each[0] == SETTINGS.slow_reader_timeout
        ]
        talk.read_frames()
        fill(talk)
        # That of the first congestion: since the second one began, it had no time to take anything.
        assert first not in [timer for _, timer in talk.times.timers]

    async def test_it_is_not_judged_by_pings_that_it_cannot_see(self, talk: Conversation) -> None:
        talk.run_timers(SETTINGS.ping_interval)
        fill(talk)
        talk.run_timers(SETTINGS.ping_timeout)

        assert talk.network.ended == []


class TestPings:
    async def test_a_client_that_answers_stays(self, talk: Conversation) -> None:
        talk.run_timers(SETTINGS.ping_interval)
        for _ in range(3):
            assert [frame.opcode for frame in talk.read_frames()] == [Opcode.PING]
            talk.run_timers(SETTINGS.ping_timeout)
            talk.run_timers(SETTINGS.ping_interval - SETTINGS.ping_timeout)

        assert talk.network.ended == []

    async def test_one_that_does_not_is_dropped(self, talk: Conversation) -> None:
        talk.run_timers(SETTINGS.ping_interval)
        talk.run_timers(SETTINGS.ping_timeout)

        assert talk.network.ended == ["abort"]

    async def test_one_that_is_not_listened_to_is_not(self, talk: Conversation) -> None:
        talk.send_frames("pause")
        talk.run_timers(SETTINGS.ping_interval)
        talk.run_timers(SETTINGS.ping_timeout)

        assert talk.network.ended == []


class TestEnd:
    async def test_the_client_closes(self, talk: Conversation) -> None:
        talk.client.send_close(1000)
        talk.pass_on()
        [close] = talk.read_frames()
        assert close.opcode is Opcode.CLOSE
        assert talk.network.ended == ["close"]
        talk.socket.connection_lost(None)

        assert talk.handler.received == ["end"]
        assert talk.connections == set()

    async def test_the_server_closes_and_waits_for_the_client(self, talk: Conversation) -> None:
        talk.socket.close(4000, "reason")
        talk.socket.close(4500, "too late")
        talk.socket.writer.send(text_frame(b"too late"))
        assert talk.network.ended == []
        talk.send_frames("not read any more")
        talk.read_frames()

        assert talk.client.close_rcvd is not None
        assert (talk.client.close_rcvd.code, talk.client.close_rcvd.reason) == (4000, "reason")
        assert talk.network.ended == ["close"]
        assert "not read any more" not in talk.handler.received

    async def test_a_client_that_does_not_answer_is_cut_off(self, talk: Conversation) -> None:
        talk.socket.close(4000)
        talk.run_timers(CLOSE_TIMEOUT)

        assert talk.network.ended == ["abort"]

    async def test_what_still_comes_is_read_though_the_handler_had_paused(
        self, talk: Conversation
    ) -> None:
        talk.send_frames("pause")
        talk.socket.close(4000)

        assert talk.network.reading

    async def test_a_large_message_of_a_client_that_is_trusted_is_handed_on_as_its_beginning(
        self, talk: Conversation
    ) -> None:
        talk.socket.allow_full_messages()
        size = SETTINGS.socket_message_limit + 1
        talk.send_frames("pause")
        talk.send_frames(("abc" * size)[:size])
        talk.send_frames("next")
        talk.socket.resume_reading(Pause.AUTHENTICATION)

        [_, oversized, after] = talk.handler.received
        assert (oversized.size, oversized.is_text) == (size, True)
        assert oversized.head == (b"abc" * HEAD_LIMIT)[:HEAD_LIMIT]
        assert after == "next"
        assert talk.network.ended == []

    async def test_a_large_message_may_come_byte_by_byte(self) -> None:
        talk = Conversation(Times(), replace(SETTINGS, data_limit=64))
        talk.socket.allow_full_messages()
        size = talk.socket.settings.socket_message_limit + 1
        data = Frame(Opcode.BINARY, b"\x00\x01" + b"x" * (size - 2)).serialize(mask=True)
        for byte in data[:100]:
            talk.socket.data_received(bytes([byte]))
        talk.socket.data_received(data[100:-1])
        assert talk.handler.received == []
        talk.socket.data_received(data[-1:])
        [oversized] = talk.handler.received
        assert (oversized.size, oversized.is_text) == (size, False)
        assert oversized.head[:3] == b"\x00\x01x"

    async def test_the_farewell_is_read_behind_a_large_message(self, talk: Conversation) -> None:
        talk.socket.allow_full_messages()
        data = Frame(Opcode.TEXT, b"x" * (SETTINGS.socket_message_limit + 1)).serialize(mask=True)
        talk.socket.data_received(data[:100])
        talk.socket.close(4000)
        talk.socket.data_received(data[100:])
        talk.read_frames()  # and the client answers the closure
        assert talk.client.close_rcvd is not None
        assert (talk.handler.received, talk.network.ended) == ([], ["close"])

    async def test_a_message_that_is_too_large_ends_it_but_for_what_the_client_still_sends(
        self, talk: Conversation
    ) -> None:
        talk.send_frames("x" * (SETTINGS.socket_message_limit + 1))
        talk.read_frames()

        assert talk.client.close_rcvd is not None
        assert talk.client.close_rcvd.code == 1009
        assert talk.network.ended == ["eof"]
        talk.run_timers(CLOSE_TIMEOUT)
        assert talk.network.ended == ["eof", "abort"]

    @pytest.mark.parametrize("congested", [False, True])
    async def test_a_failure_of_the_client_is_answered_behind_what_waits(
        self, talk: Conversation, congested: bool
    ) -> None:
        sent = 0
        if congested:
            fill(talk)
            sent = SETTINGS.output_mark // len(LARGE) + 1
        talk.socket.writer.send(text_frame(b"waits"))
        talk.socket.data_received(b"\x83\x80\0\0\0\0")  # an opcode that there is not
        if congested:
            assert talk.network.ended == []
        talk.socket.writer.send(text_frame(b"too late"))
        frames = talk.read_frames() + talk.read_frames()
        assert bytes(frames[sent].data) == b"waits"
        assert frames[-1].opcode is Opcode.CLOSE
        assert talk.client.close_rcvd is not None
        assert talk.client.close_rcvd.code == 1002
        assert talk.network.ended[0] == "eof"


@pytest.mark.parametrize("pinged", [False, True])
async def test_a_lost_connection_leaves_no_timer(pinged: bool) -> None:
    times = Times()
    conversation = Conversation(times)
    if pinged:
        conversation.run_timers(SETTINGS.ping_interval)
    conversation.socket.connection_lost(None)
    assert times.timers == []
