from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from support.receiver import Receiver
from support.rig import CREDENTIALS, Rig
from support.store import Store
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.embedded import EmbeddedRedis
from syncline_server.storage.redis.engine import SHARD
from syncline_server.webhooks import delivery, dispatcher


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A Redis of the test's own: a dispatcher looks at the queues of all services."""
    engine = EmbeddedRedis(tmp_path / "store", "no")
    address = await engine.address(SHARD)
    assert engine._process is not None
    yield Store(f"unix://{address}", engine._process.pid)
    await engine.stop()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less waiting between checks, and between attempts."""
    monkeypatch.setattr(dispatcher, "POLL_INTERVAL", 0.02)
    monkeypatch.setattr(dispatcher, "RENEWAL_INTERVAL", 0.1)
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(delivery, "PAUSE_LIMIT", 0.1)


@pytest.fixture
def rig(redis: Redis, quick: None) -> Rig:
    return Rig(redis)


@pytest.fixture
async def another(store: Store, quick: None) -> AsyncIterator[Callable[[], Any]]:
    """Makes the parts of another process, with a connection of its own."""
    async with AsyncExitStack() as stack:

        async def make() -> Rig:
            redis = Redis(store.engine, 2.0)
            await redis.start()
            stack.push_async_callback(redis.stop)
            return Rig(redis)

        yield make


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Takes everything, and checks its signature."""
    async with Receiver(CREDENTIALS.auth_token) as receiver:
        yield receiver
        assert receiver.unsigned == []
