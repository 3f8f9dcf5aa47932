"""The events of open documents, from Redis to this process: an ear at each shard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from syncline_protocol.documents import Event
from syncline_protocol.errors import Code, Refusal
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.rights import RightsChanged

from .shard_subscriber import Ear

__all__ = ["Feed"]

REPLACING_PAUSE = 0.25
"""Seconds before a channel that a shard has dropped is placed anew, if no map told where before."""


class Feed:
    """Channels that somebody here listens to."""

    def __init__(
        self,
        redis: Redis,
        timeout: float,
        on_event: Callable[[Event | RightsChanged], None],
        on_gap: Callable[[list[str]], None],
    ) -> None:
        """
        Args:
            timeout: seconds that a connection, or a subscription, may take.
            on_event: takes each event, in the order of its channel.
            on_gap: takes the channels whose events may have been missed, once they come again.
        """
        self.on_event = on_event
        self.on_gap = on_gap
        self._redis = redis
        self._timeout = timeout
        self._ears: dict[str, Ear] = {}
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        # Where each channel is listened to; None where no shard serves it at the moment.
        self._places: dict[str, str | None] = {}
        # Those that are on the way to another shard, and may miss events meanwhile.
        self._moving: set[str] = set()
        self._stopping: set[asyncio.Task[None]] = set()

    @property
    def live(self) -> bool:
        """True while events come from every shard."""
        return bool(self._ears) and all(ear.live for ear in self._ears.values())

    @property
    def lag(self) -> float:
        """Seconds that a message to oneself took the last time, at the slowest shard."""
        return max((ear.lag for ear in self._ears.values()), default=0.0)

    @property
    def round_trip(self) -> float:
        """Seconds that Redis took to answer the last time, at the slowest shard."""
        return max((ear.round_trip for ear in self._ears.values()), default=0.0)

    def start(self) -> None:
        """Connect, and stay connected."""
        self._redis.engine.on_change(self._follow)
        self._redis.data_set.on_change(self._on_other_data_set)
        self._follow()

    async def stop(self) -> None:
        """End all connections."""
        await asyncio.gather(*(ear.stop() for ear in self._ears.values()), *self._stopping)

    async def subscribe(self, channel: str) -> None:
        """Return when every later event of the channel will come, or `on_gap` will be called.

        Raises:
            Refusal: `UNAVAILABLE`, if that takes too long.
        """
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            confirmed = self._confirmed[channel] = asyncio.get_running_loop().create_future()
            self._places[channel] = None
            self._place(channel)
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.shield(confirmed)
        except TimeoutError:
            raise Refusal(
                Code.UNAVAILABLE, "The store's events are away; nothing was opened. Try again."
            ) from None

    def unsubscribe(self, channel: str) -> None:
        """No event of the channel is wanted any more."""
        ear = self._ears.get(self._places.pop(channel, None) or "")
        self._confirmed.pop(channel, None)
        self._moving.discard(channel)
        if ear is not None:
            ear.unsubscribe(channel)

    def on_confirmed(self, channel: str) -> None:
        """An ear listens to the channel."""
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            return
        if not confirmed.done():
            self._moving.discard(channel)
            confirmed.set_result(None)
        elif channel in self._moving:
            self._moving.discard(channel)
            self.on_gap([channel])

    def on_lost(self, channel: str) -> None:
        """An ear listens to the channel no more, because its slot has moved."""
        if channel in self._places:
            self._places[channel] = None
            asyncio.get_running_loop().call_later(REPLACING_PAUSE, self._place, channel)

    def _on_other_data_set(self) -> None:
        """Channels have other names now, and other data may be behind them."""
        for ear in self._ears.values():
            ear.reset()

    def _follow(self) -> None:
        """Have an ear at each shard that there is now, and each channel at its shard."""
        shards = set(self._redis.engine.shards())
        for shard in shards - self._ears.keys():
            ear = self._ears[shard] = Ear(self._redis, shard, self._timeout, self)
            ear.start()
        for channel in list(self._places):
            self._place(channel)
        for shard in self._ears.keys() - shards:
            task = asyncio.create_task(self._ears.pop(shard).stop())
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    def _place(self, channel: str) -> None:
        """Listen to a channel where it is published now."""
        try:
            shard: str | None = self._redis.engine.shard_of(channel)
        except LookupError:
            shard = None
        before = self._places.get(channel)
        if channel not in self._places or shard == before:
            return
        self._places[channel] = shard
        self._moving.add(channel)
        if before in self._ears:
            self._ears[before].unsubscribe(channel)
        if shard in self._ears:
            self._ears[shard].subscribe(channel)
