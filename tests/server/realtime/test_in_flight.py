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

LIMIT = 3


class Reading:
    """What a backlog uses of a socket."""

    def __init__(self) -> None:
        self.settings = Settings(data_dir=Path("unused"), max_in_flight=LIMIT)
        self.timers = TimerWheel()
        self.meters = Meters()
        self.reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True


@pytest.fixture
async def socket() -> Reading:
    return Reading()


@pytest.fixture
async def requests(socket: Reading) -> InFlight:
    return InFlight(cast(Socket, socket))


async def test_nothing_is_read_while_the_limit_is_reached(
    socket: Reading, requests: InFlight
) -> None:
    def begin() -> bool:
        requests.begin()
        return socket.reads

    def end() -> bool:
        requests.end()
        return socket.reads

    # One message may hold several requests, and so pass the limit.
    assert [begin() for _ in range(LIMIT + 2)] == [True] * (LIMIT - 1) + [False] * 3
    assert [end() for _ in range(LIMIT + 2)] == [False] * 2 + [True] * LIMIT


async def test_farewell_is_at_once_where_nothing_is_under_way(
    socket: Reading, requests: InFlight
) -> None:
    said: list[str] = []
    requests.leave(lambda: said.append("first"))
    requests.leave(lambda: said.append("second"))
    assert (said, requests.leaving, socket.reads) == (["first"], True, False)


async def test_farewell_waits_for_the_last_answer_and_is_said_once(
    socket: Reading, requests: InFlight
) -> None:
    said: list[str] = []
    for _ in range(2):
        requests.begin()
    requests.leave(lambda: said.append("bye"))
    requests.end()
    assert said == []
    requests.end()
    assert (said, socket.reads) == (["bye"], False)


async def test_farewell_does_not_wait_without_limit(
    socket: Reading, requests: InFlight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FAREWELL_TIMEOUT", 0)
    said: list[str] = []
    requests.begin()
    requests.leave(lambda: said.append("bye"))
    await eventually(lambda: said)
    requests.end()
    await asyncio.sleep(0)
    assert said == ["bye"]
