"""A consumer whose connection to Redis breaks at the worst moment."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.limits import WAIT_LIMIT
from support.receiver import Receiver, in_order
from support.rig import Rig
from support.store import Store, StoreRelay
from syncline_server.storage.redis.client import Redis


class Loss(StoreRelay):
    """A proxy to a store that cuts the connection instead of the next reply that contains `mark`.

    Attributes:
        lost: set once a reply was lost; then `mark` is None.
    """

    def __init__(self, path: Path, store: Store) -> None:
        super().__init__(path, store)
        self.mark: bytes | None = None
        self.lost = asyncio.Event()

    async def on_reply(self, data: bytes) -> bytes | None:
        if self.mark is None or self.mark not in data:
            return data
        self.mark = None
        self.lost.set()
        return None


async def test_events_whose_reading_was_not_answered_are_read_again(
    rig: Rig, receiver: Receiver, store: Store, tmp_path: Path
) -> None:
    """Redis counts them as read, and the events that follow must not overtake them."""
    service = await rig.service(receiver.url)
    async with Loss(tmp_path / "loss.sock", store) as line:
        redis = Redis(line.engine, WAIT_LIMIT)
        await redis.start()
        async with Rig(redis).delivering():
            made = await rig.create(service, "prefs")
            await receiver.until_taken(1)
            for n in range(1, 4):
                line.lost.clear()
                line.mark = b'{"n":%d}' % n
                await rig.set(service, made.sid, line.mark)
                async with asyncio.timeout(WAIT_LIMIT):
                    await line.lost.wait()
                await rig.set(service, made.sid, b'{"then":%d}' % n)
                taken = await receiver.until_taken(1 + 2 * n)
        await redis.stop()
    assert in_order(receiver.came)
    assert len(taken) == 7
