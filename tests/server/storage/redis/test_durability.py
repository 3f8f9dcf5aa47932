"""What an acknowledged write has survived, by what was asked."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.sentinel import Watched
from support.store import PATIENCE, Service, refused
from syncline_protocol.errors import Code
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError
from syncline_server.storage.documents import Documents
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.durability import Durability
from syncline_server.storage.redis.embedded import EmbeddedRedis
from syncline_server.storage.redis.engine import Engine, ExternalRedis
from syncline_server.storage.redis.engines import make_engine

BRIEF = 0.2
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


@asynccontextmanager
async def durable(
    engine: Engine, level: str, service_sid: str, timeout: float = BRIEF
) -> AsyncIterator[Service]:
    redis = Redis(engine, PATIENCE, Durability(level=level, timeout=timeout))
    await redis.start()
    try:
        yield Service(Documents(redis, 60), service_sid)
    finally:
        await redis.stop()


async def test_replicated_waits_for_a_replica_and_tells_when_none_has_it(
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


async def test_fsync_waits_for_the_disk(tmp_path: Path, service_sid: str) -> None:
    engine = EmbeddedRedis(tmp_path, "everysec")
    try:
        async with durable(engine, "fsync", service_sid, PATIENCE) as service:
            for name in ("prefs", "others"):
                document = await service.create(name)
                assert await service.get(name) == document
    finally:
        await engine.stop()


async def test_fsync_without_a_file_is_refused(pair: Watched, service_sid: str) -> None:
    async with durable(ExternalRedis(pair.master.address), "fsync", service_sid) as service:
        refusal = await refused(service.find_or_create("prefs"), Code.UNAVAILABLE)
        assert "applied but not synced to disk" in refusal.message


def test_the_embedded_redis_has_no_replica() -> None:
    with pytest.raises(SettingError, match="--redis-url"):
        make_engine(Settings(durability="replicated"))
