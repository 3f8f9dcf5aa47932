"""What an acknowledged write has survived, by what was asked."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.sentinel import Watched
from support.store import WAIT_LIMIT, Service, refused
from syncline_protocol.errors import Code, Refusal
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import connect
from syncline_server.storage.redis.durability import Durability
from syncline_server.storage.redis.embedded import EmbeddedRedis
from syncline_server.storage.redis.engine import Engine, ExternalRedis
from syncline_server.storage.redis.urls import make_engine

SHORT_TIMEOUT = 0.2
"""Seconds: the time limit of a durability that tests wait for."""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Watched]:
    """A master and its replica."""
    made = Watched(tmp_path)
    try:
        asyncio.run(made.start())
        yield made
    finally:
        made.stop()


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[Watched]:
    """A master and two replicas."""
    made = Watched(tmp_path, replicas=2)
    try:
        asyncio.run(made.start())
        yield made
    finally:
        made.stop()


@asynccontextmanager
async def durable(
    engine: Engine, level: str, service_sid: str, timeout: float = SHORT_TIMEOUT
) -> AsyncIterator[Service]:
    async with asking(engine, Durability(level=level, timeout=timeout), service_sid) as service:
        yield service


@asynccontextmanager
async def asking(
    engine: Engine, durability: Durability, service_sid: str
) -> AsyncIterator[Service]:
    redis = Redis(engine, WAIT_LIMIT, durability)
    await redis.start()
    try:
        yield Service(Objects(redis, 60), service_sid)
    finally:
        await redis.stop()


async def test_replicated_waits_for_a_replica_and_reports_when_none_has_it(
    pair: Watched, service_sid: str
) -> None:
    async with durable(ExternalRedis(pair.master.address), "replicated", service_sid) as service:
        document = await service.create("prefs")
        key = f"{{{service_sid}:*}}:document:{document.sid}"
        assert await pair.replica.ask("KEYS", key.replace("{", "\\{").replace("}", "\\}"))
        pair.replica.signal(signal.SIGSTOP)
        refusal = await refused(service.set("prefs", b'{"a":1}'), Code.UNAVAILABLE)
        assert "applied but not replicated" in refusal.message
        pair.replica.signal(signal.SIGCONT)
        # It was said to be applied, and it is.
        newest = await service.get("prefs")
        assert newest is not None and newest.data == b'{"a":1}'


async def test_one_wait_serves_all_commits_of_a_moment(pair: Watched, service_sid: str) -> None:
    async with durable(ExternalRedis(pair.master.address), "replicated", service_sid) as service:
        await asyncio.gather(*(service.create(f"{number}") for number in range(100)))
        stats = (await pair.master.ask("INFO", "commandstats")).decode()
        [line] = [line for line in stats.split() if line.startswith("cmdstat_wait:")]
        assert int(line.split("calls=")[1].split(",")[0]) < 20


async def test_the_wait_follows_the_write(pair: Watched, service_sid: str) -> None:
    """WAIT speaks of what was sent before it on its connection."""
    commands: asyncio.Queue[Any] = asyncio.Queue()
    monitor = await connect(pair.master.address, WAIT_LIMIT, commands.put_nowait)
    async with durable(ExternalRedis(pair.master.address), "replicated", service_sid) as service:
        await monitor.execute("MONITOR")
        await service.create("prefs")
        seen: list[str] = []
        while not seen or "WAIT" not in seen[-1]:
            seen.append((await commands.get()).upper().decode())
    assert any("EVALSHA" in command and service_sid.upper() in command for command in seen)
    monitor.abort()


REPLICATED = Durability(level="replicated", timeout=WAIT_LIMIT)


async def test_a_replica_that_was_promoted_is_waited_for(trio: Watched, service_sid: str) -> None:
    """The other one follows the old master, whose writes are lost; one WAIT is content with it."""
    async with asking(
        ExternalRedis(trio.master.address), replace(REPLICATED, timeout=SHORT_TIMEOUT), service_sid
    ) as service:
        await service.create("prefs", b'{"n":1}')
        await trio.replica.ask("REPLICAOF", "NO", "ONE")
        # The first may be sent before the master knows; then it is applied, and refused as lost.
        await refused(service.set("prefs", b'{"n":2}'), Code.UNAVAILABLE)
        refusal = await refused(service.set("prefs", b'{"n":3}'), Code.UNAVAILABLE)
        assert "nothing was changed" in refusal.message and "1 of 2" in refusal.message
        newest = await service.get("prefs")
        assert newest is not None and newest.data != b'{"n":3}'
        await trio.replica.ask("REPLICAOF", "127.0.0.1", trio.master.port)
        await written(service)


async def written(service: Service) -> None:
    """Return once a write is acknowledged."""
    async with asyncio.timeout(WAIT_LIMIT):
        while True:
            try:
                await service.set("prefs", b'{"n":4}')
                return
            except Refusal:
                await asyncio.sleep(0.05)


async def test_a_replica_that_stays_away_is_given_up(trio: Watched, service_sid: str) -> None:
    brief = replace(REPLICATED, replica_timeout=0.5, timeout=2)
    async with asking(ExternalRedis(trio.master.address), brief, service_sid) as service:
        await service.create("prefs")
        trio.replica.signal(signal.SIGKILL)
        await refused(service.set("prefs", b"{}"), Code.UNAVAILABLE)
        await written(service)


async def test_a_setting_names_how_many_replicas_must_have_a_write(
    trio: Watched, service_sid: str
) -> None:
    engine = ExternalRedis(trio.master.address)
    async with (
        asking(engine, replace(REPLICATED, replicas=1), service_sid) as one,
        asking(engine, replace(REPLICATED, replicas=3), service_sid) as three,
    ):
        await one.create("prefs")
        refusal = await refused(three.set("prefs", b"{}"), Code.UNAVAILABLE)
        assert "2 of 3 replicas are connected" in refusal.message
        trio.replica.signal(signal.SIGKILL)
        await one.set("prefs", b'{"n":1}')


async def test_fsync_waits_for_the_disk(tmp_path: Path, service_sid: str) -> None:
    engine = EmbeddedRedis(tmp_path, "everysec")
    try:
        async with durable(engine, "fsync", service_sid, WAIT_LIMIT) as service:
            for name in ("prefs", "others"):
                document = await service.create(name)
                assert await service.get(name) == document
    finally:
        await engine.stop()


async def test_a_writer_that_leaves_ends_no_other_writers_wait(
    pair: Watched, service_sid: str
) -> None:
    pair.replica.signal(signal.SIGSTOP)
    try:
        async with durable(
            ExternalRedis(pair.master.address), "replicated", service_sid, WAIT_LIMIT
        ) as service:
            leaving = asyncio.create_task(service.create("leaving"))
            staying = asyncio.create_task(service.create("staying"))
            while len(await pair.master.ask("KEYS", f"{{{service_sid}:*:document:*")) < 2:
                await asyncio.sleep(0.01)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            pair.replica.signal(signal.SIGCONT)

            assert (await staying).unique_name == "staying"
    finally:
        pair.replica.signal(signal.SIGCONT)


async def test_fsync_without_a_file_is_refused(pair: Watched, service_sid: str) -> None:
    async with durable(ExternalRedis(pair.master.address), "fsync", service_sid) as service:
        refusal = await refused(service.find_or_create("prefs"), Code.UNAVAILABLE)
        assert "applied but not synced to disk" in refusal.message


def test_the_embedded_redis_has_no_replica() -> None:
    with pytest.raises(SettingError, match="--redis-url"):
        make_engine(Settings(durability="replicated"))
