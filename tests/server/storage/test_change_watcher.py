"""How a process follows a set of records that others change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from support.store import Store, eventually
from syncline_protocol.errors import Refusal
from syncline_server.storage import change_watcher as module
from syncline_server.storage import data_set_poll, keys
from syncline_server.storage.change_watcher import ChangeWatcher, make_version
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection

KEY = f"{keys.ALL_SERVICES}:watched"


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
async def change_watcher(
    redis: Redis, admin: Connection, readings: Readings
) -> AsyncIterator[ChangeWatcher]:
    await admin.execute("DEL", KEY)
    yield ChangeWatcher(redis, KEY, readings.read)


@pytest.fixture
async def started(
    change_watcher: ChangeWatcher, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[], None]]:
    """Starts the watcher, which is stopped after the test."""
    monkeypatch.setattr(data_set_poll, "POLL_INTERVAL", 0.02)
    yield change_watcher.start
    await change_watcher.stop()


async def test_the_first_look_reads_and_the_next_only_after_a_change(
    change_watcher: ChangeWatcher, admin: Connection, readings: Readings
) -> None:
    assert not change_watcher.is_current
    for _ in range(3):
        await change_watcher.refresh()
    assert readings.count == 1 and change_watcher.is_current
    await admin.execute("SET", KEY, make_version())
    for _ in range(3):
        await change_watcher.refresh()
    assert readings.count == 2
    await admin.execute("DEL", KEY)  # as when Redis lost everything
    await change_watcher.refresh()
    assert readings.count == 3


async def test_no_two_changes_have_one_version() -> None:
    assert len({make_version() for _ in range(1000)}) == 1000


async def test_what_could_not_be_read_is_read_again(
    change_watcher: ChangeWatcher, readings: Readings
) -> None:
    readings.failure = RuntimeError("broken")
    with pytest.raises(RuntimeError):
        await change_watcher.refresh()
    assert not change_watcher.is_current
    readings.failure = None
    await change_watcher.refresh()
    assert readings.count == 2 and change_watcher.is_current


async def test_who_needs_no_more_than_a_current_state_asks_no_more(
    change_watcher: ChangeWatcher,
    admin: Connection,
    readings: Readings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await change_watcher.refresh()
    await admin.execute("SET", KEY, make_version())
    monkeypatch.setattr(module, "STALE_AFTER", 1000.0)
    await change_watcher.refresh(unless_current=True)
    assert readings.count == 1
    monkeypatch.setattr(module, "STALE_AFTER", -1.0)
    await change_watcher.refresh(unless_current=True)
    assert readings.count == 2


async def test_it_follows_by_itself_and_past_breaks(
    started: Callable[[], None], store: Store, readings: Readings, redis: Redis
) -> None:
    started()
    await eventually(lambda: readings.count == 1)
    await store.cut("normal")
    await eventually(lambda: redis.connected)
    async with store.connected() as connection:
        await connection.execute("SET", KEY, make_version())
    await eventually(lambda: readings.count == 2)


async def test_a_failure_ends_nothing(
    change_watcher: ChangeWatcher,
    started: Callable[[], None],
    readings: Readings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    readings.failure = RuntimeError("broken")
    started()
    await eventually(lambda: readings.count >= 2)
    readings.failure = None
    await eventually(lambda: change_watcher.is_current)
    assert f"the watcher of {KEY} failed" in caplog.text


async def test_a_look_says_when_redis_is_away(change_watcher: ChangeWatcher, redis: Redis) -> None:
    await redis.stop()
    with pytest.raises(Refusal):
        await change_watcher.refresh()
    assert not change_watcher.is_current
