"""A server on a master that Sentinels replace."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import syncline
from support.cluster import WAIT_LIMIT
from support.sentinel import Watched
from support.server import IMPATIENT, RunningServer
from support.store import Service, eventually
from syncline_protocol.documents import Document
from syncline_protocol.errors import Refusal
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.durability import Durability
from syncline_server.storage.redis.urls import engine_of


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    yield from started(Watched(tmp_path))


@pytest.fixture
def watched_trio(tmp_path: Path) -> Iterator[Watched]:
    """With two replicas."""
    yield from started(Watched(tmp_path, replicas=2))


def started(made: Watched) -> Iterator[Watched]:
    try:
        asyncio.run(made.start())
        yield made
    finally:
        made.stop()


@pytest.mark.parametrize("failure", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "paused"])
async def test_the_next_master_is_followed(
    watched: Watched, tmp_path: Path, failure: signal.Signals
) -> None:
    """Also where the old one was only paused, and keeps the connections it had."""
    with RunningServer(tmp_path / "data", "--redis-url", watched.url, IMPATIENT) as server:
        token = server.token("alice")
        async with (
            syncline.connect(server.url, token=token) as writer,
            syncline.connect(server.url, token=token) as reader,
        ):
            written = await writer.document("prefs", data={"n": 0})
            read = await reader.document("prefs")
            await written.increment("/n")
            updates = read.events()
            watched.master.signal(failure)
            await watched.until_promoted()
            async with asyncio.timeout(WAIT_LIMIT):
                while True:
                    try:
                        await written.set({"n": 2})
                        break
                    except syncline.Unavailable:
                        await asyncio.sleep(0.05)
                async for event in updates:
                    if event.data == {"n": 2}:
                        break
            assert read.revision == written.revision


async def test_a_planned_failover_loses_nothing_that_was_acknowledged(
    watched_trio: Watched,
) -> None:
    """One of two replicas is promoted, and the other follows the old master a while longer."""
    engine = engine_of(watched_trio.url, WAIT_LIMIT)
    await engine.start()
    redis = Redis(engine, WAIT_LIMIT, Durability(level="replicated", timeout=1.0))
    await redis.start()
    service = Service(Objects(redis, 60), f"IS{'d' * 32}")
    acknowledged: list[Document] = []
    over = asyncio.Event()

    async def write() -> None:
        while not over.is_set():
            try:
                acknowledged.append(await service.create())
            except Refusal:
                pass
            await asyncio.sleep(0.005)

    writers = [asyncio.create_task(write()) for _ in range(10)]
    await watched_trio.fail_over()
    count = len(acknowledged)
    await eventually(lambda: len(acknowledged) > count)
    over.set()
    await asyncio.gather(*writers)
    lost = [document for document in acknowledged if await service.get(document.sid) is None]
    await redis.stop()
    await engine.stop()
    assert not lost
