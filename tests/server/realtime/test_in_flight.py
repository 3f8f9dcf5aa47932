from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from support.store import eventually
from syncline_server.config.settings import Settings
from syncline_server.observability.metrics import Meters
from syncline_server.realtime import in_flight as module
from syncline_server.realtime.in_flight import InFlight
from syncline_server.realtime.timer_wheel import TimerWheel
from syncline_server.realtime.websocket.socket import Socket
from syncline_server.realtime.websocket.states import Pause

LIMIT = 3


class Reading:
    """What `InFlight` uses of a socket."""

    def __init__(self) -> None:
        self.settings = Settings(data_dir=Path("unused"), max_in_flight=LIMIT, max_pages=2)
        self.timers = TimerWheel()
        self.meters = Meters()
        self.pauses = Pause.NONE

    @property
    def reads(self) -> bool:
        return not self.pauses

    def pause_reading(self, reason: Pause) -> None:
        self.pauses |= reason

    def resume_reading(self, reason: Pause) -> None:
        self.pauses &= ~reason


@pytest.fixture
async def socket() -> Reading:
    return Reading()


@pytest.fixture
async def in_flight(socket: Reading) -> InFlight:
    return InFlight(cast(Socket, socket))


async def test_nothing_is_read_while_the_limit_is_reached(
    socket: Reading, in_flight: InFlight
) -> None:
    def begin() -> bool:
        in_flight.begin()
        return socket.reads

    def end() -> bool:
        in_flight.end()
        return socket.reads

    # One message may hold several requests, and so pass the limit.
    assert [begin() for _ in range(LIMIT + 2)] == [True] * (LIMIT - 1) + [False] * 3
    assert [end() for _ in range(LIMIT + 2)] == [False] * 2 + [True] * LIMIT


async def test_farewell_is_at_once_where_nothing_is_under_way(
    socket: Reading, in_flight: InFlight
) -> None:
    said: list[str] = []
    in_flight.leave(lambda: said.append("first"))
    in_flight.leave(lambda: said.append("second"))
    assert (said, in_flight.leaving, socket.reads) == (["first"], True, False)


async def test_farewell_waits_for_the_last_answer_and_is_said_once(
    socket: Reading, in_flight: InFlight
) -> None:
    said: list[str] = []
    for _ in range(2):
        in_flight.begin()
    in_flight.leave(lambda: said.append("bye"))
    in_flight.end()
    assert said == []
    in_flight.end()
    assert (said, socket.reads) == (["bye"], False)


async def test_farewell_does_not_wait_without_limit(
    socket: Reading, in_flight: InFlight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEAVE_TIMEOUT", 0)
    said: list[str] = []
    in_flight.begin()
    in_flight.leave(lambda: said.append("bye"))
    await eventually(lambda: said)
    in_flight.end()
    await asyncio.sleep(0)
    assert said == ["bye"]


async def test_reading_stops_at_the_limit_of_pages(in_flight: InFlight, socket: Reading) -> None:
    for _ in range(2):
        assert socket.reads
        in_flight.begin()
        in_flight.begin_page()
    assert socket.pauses == Pause.PAGES
    in_flight.end_page()
    in_flight.end()
    assert socket.reads
