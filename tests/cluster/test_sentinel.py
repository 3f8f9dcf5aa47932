"""A server on a master that Sentinels replace."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import syncline
from support.cluster import PATIENCE
from support.sentinel import Watched
from support.server import RunningServer


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
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
    with RunningServer(tmp_path / "data", "--redis-url", watched.url) as server:
        token = server.token("alice")
        async with (
            syncline.connect(server.url, token=token) as writer,
            syncline.connect(server.url, token=token) as reader,
        ):
            written = await writer.document("prefs", data={"n": 0})
            read = await reader.document("prefs")
            await written.increment("/n")
            heard = read.events()
            watched.master.signal(failure)
            await watched.until_promoted()
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        await written.set({"n": 2})
                        break
                    except syncline.Unavailable:
                        await asyncio.sleep(0.05)
                async for event in heard:
                    if event.data == {"n": 2}:
                        break
            assert read.revision == written.revision
