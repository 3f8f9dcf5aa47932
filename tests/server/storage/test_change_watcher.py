"""How a process follows a set of records that others change."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.store import Store, eventually
from syncline_protocol.errors import Refusal
from syncline_server.storage import change_watcher as module
from syncline_server.storage.change_watcher import Lookout, make_version
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection

KEY = "{lookout}:version"


class Readings:
    """How often the records were read, and what that raises."""

    def __init__(self) -> None:
        self.count = 0
        self.failure: Exception | None = None

    async def read(self) -> None:
        self.count += 1
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def readings() -> Readings:
    return Readings()


@pytest.fixture
async def lookout(redis: Redis, admin: Connection, readings: Readings) -> AsyncIterator[Lookout]:
    await admin.execute("DEL", KEY)
    lookout = Lookout(redis, KEY, readings.read)
    yield lookout
    await lookout.stop()


async def test_the_first_look_reads_and_the_next_only_after_a_change(
    lookout: Lookout, admin: Connection, readings: Readings
) -> None:
    assert not lookout.is_current
    for _ in range(3):
        await lookout.look()
    assert readings.count == 1 and lookout.is_current
    await admin.execute("SET", KEY, make_version())
    for _ in range(3):
        await lookout.look()
    assert readings.count == 2
    await admin.execute("DEL", KEY)  # as when Redis lost everything
    await lookout.look()
    assert readings.count == 3


async def test_no_two_changes_have_one_version() -> None:
    assert len({make_version() for _ in range(1000)}) == 1000


async def test_what_could_not_be_read_is_read_again(lookout: Lookout, readings: Readings) -> None:
    readings.failure = RuntimeError("broken")
    with pytest.raises(RuntimeError):
        await lookout.look()
    assert not lookout.is_current
    readings.failure = None
    await lookout.look()
    assert readings.count == 2 and lookout.is_current


async def test_who_needs_no_more_than_a_current_state_asks_no_more(
    lookout: Lookout, admin: Connection, readings: Readings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lookout.look()
    await admin.execute("SET", KEY, make_version())
    monkeypatch.setattr(module, "STALE_AFTER", 1000.0)
    await lookout.look(unless_current=True)
    assert readings.count == 1
    monkeypatch.setattr(module, "STALE_AFTER", -1.0)
    await lookout.look(unless_current=True)
    assert readings.count == 2


async def test_it_follows_by_itself_and_past_breaks(
    lookout: Lookout,
    store: Store,
    readings: Readings,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LOOK_INTERVAL", 0.02)
    lookout.start()
    await eventually(lambda: readings.count == 1)
    await store.cut("normal")
    await eventually(lambda: redis.connected)
    async with store.connected() as connection:
        await connection.execute("SET", KEY, make_version())
    await eventually(lambda: readings.count == 2)


async def test_a_failure_ends_nothing(
    lookout: Lookout,
    readings: Readings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(module, "LOOK_INTERVAL", 0.02)
    readings.failure = RuntimeError("broken")
    lookout.start()
    await eventually(lambda: readings.count >= 2)
    readings.failure = None
    await eventually(lambda: lookout.is_current)
    assert f"{KEY} could not be followed" in caplog.text


async def test_a_look_says_when_redis_is_away(lookout: Lookout, redis: Redis) -> None:
    await redis.stop()
    with pytest.raises(Refusal):
        await lookout.look()
    assert not lookout.is_current
