"""Fixtures for tests of writes whose commit or reply is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.store import WAIT_LIMIT, Line, Store
from syncline_server.storage.redis.client import Redis


@pytest.fixture
async def line(tmp_path: Path, store: Store) -> AsyncIterator[Line]:
    """A proxy that can lose the next commit, or its reply."""
    async with Line(tmp_path / "line.sock", store) as line:
        yield line


@pytest.fixture
async def by_line(line: Line) -> AsyncIterator[Redis]:
    """The store, by the line."""
    redis = Redis(line.engine, WAIT_LIMIT)
    await redis.start()
    yield redis
    await redis.stop()
