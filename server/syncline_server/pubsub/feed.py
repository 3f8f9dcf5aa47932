"""The feed of events from Redis: one pub/sub connection to each shard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import Event
from syncline_server.observability.tasks import TaskSet
from syncline_server.storage.notices import Notice
from syncline_server.storage.redis.client import Redis

from .shard_subscriber import ShardSubscriber

__all__ = ["Feed"]

RESUBSCRIBE_PAUSE = 0.25
"""Seconds before a channel that a shard has dropped is subscribed again, unless a new slot map
places the channel earlier."""


class Feed:
    """The channels that this process is subscribed to, each at the shard that serves it."""

    def __init__(
        self,
        redis: Redis,
        timeout: float,
        on_event: Callable[[Event | Notice], None],
        on_gap: Callable[[list[str]], None],
    ) -> None:
        """
        Args:
            timeout: seconds that a connection, or a subscription, may take.
            on_event: receives each event; those of one channel come in order.
            on_gap: receives the channels that may have missed events, once they are subscribed
                again.
        """
        self.on_event = on_event
        self.on_gap = on_gap
        self._redis = redis
        self._timeout = timeout
        self._subscribers: dict[str, ShardSubscriber] = {}
        # By channel; done once Redis has confirmed it for the first time.
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        # The shard at which each channel is subscribed; None while no shard serves the channel.
        self._shard_by_channel: dict[str, str | None] = {}
        # Channels that wait for a confirmation from a new shard, and may miss events meanwhile.
        self._moving: set[str] = set()
        self._stopping = TaskSet()

    @property
    def live(self) -> bool:
        """True while events come from every shard."""
        return bool(self._subscribers) and all(
            subscriber.live for subscriber in self._subscribers.values()
        )

    @property
    def lag(self) -> float:
        """Seconds that the last probe took to come back, at the slowest shard."""
        return max((subscriber.lag for subscriber in self._subscribers.values()), default=0.0)

    @property
    def round_trip(self) -> float:
        """Seconds that Redis took to answer the last probe, at the slowest shard."""
        return max(
            (subscriber.round_trip for subscriber in self._subscribers.values()), default=0.0
        )

    def start(self) -> None:
        """Connect to every shard, and stay connected."""
        self._redis.engine.on_change(self._on_new_shards)
        self._redis.data_set.on_change(self._on_other_data_set)
        self._on_new_shards()

    async def stop(self) -> None:
        """End all connections."""
        await asyncio.gather(*(subscriber.stop() for subscriber in self._subscribers.values()))
        await self._stopping.wait()

    async def subscribe(self, channel: str) -> None:
        """Return when every later event of the channel is received, or reported by `on_gap`.

        Raises:
            Refusal: `UNAVAILABLE`, if that takes too long.
        """
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            confirmed = self._confirmed[channel] = asyncio.get_running_loop().create_future()
            self._shard_by_channel[channel] = None
            self._subscribe_at_shard(channel)
        try:
            async with asyncio.timeout(self._timeout):
                # Several callers may wait for one channel: a time-out ends only its own wait.
                await asyncio.shield(confirmed)
        except TimeoutError:
            raise Refusal(
                Code.UNAVAILABLE, "The store delivers no events now; nothing was opened. Try again."
            ) from None

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        # Forget the channel first: a confirmation under way then finds nothing to confirm.
        subscriber = self._subscribers.get(self._shard_by_channel.pop(channel, None) or "")
        self._confirmed.pop(channel, None)
        self._moving.discard(channel)
        if subscriber is not None:
            subscriber.unsubscribe(channel)

    def on_confirmed(self, channel: str) -> None:
        """Redis has confirmed the channel at its shard."""
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            return  # unsubscribed while the confirmation was under way
        if not confirmed.done():
            # The first confirmation is no gap: the callers of `subscribe` read the state after it,
            # so they see every change whose event came too early for this channel.
            self._moving.discard(channel)
            confirmed.set_result(None)
        elif channel in self._moving:
            self._moving.discard(channel)
            self.on_gap([channel])

    def on_lost(self, channel: str) -> None:
        """A shard has ended the subscription, because the channel's slot has moved."""
        if channel in self._shard_by_channel:
            # No shard has it now, so a new slot map places it at once, without the pause.
            self._shard_by_channel[channel] = None
            asyncio.get_running_loop().call_later(
                RESUBSCRIBE_PAUSE, self._subscribe_at_shard, channel
            )

    def _on_other_data_set(self) -> None:
        """Subscribe again under the new data set's channel names, and compare all objects."""
        for subscriber in self._subscribers.values():
            subscriber.reset()

    def _on_new_shards(self) -> None:
        """Connect to the shards of the new slot map, and move each channel to its shard."""
        shards = set(self._redis.engine.shards())
        # 1. Connect to new shards, because channels can only move to a shard that is known.
        for shard in shards - self._subscribers.keys():
            subscriber = self._subscribers[shard] = ShardSubscriber(
                self._redis, shard, self._timeout, self
            )
            subscriber.start()
        # 2. Move the channels while the old connections still exist.
        for channel in list(self._shard_by_channel):
            self._subscribe_at_shard(channel)
        # 3. End the connections that no channel uses any more.
        for shard in self._subscribers.keys() - shards:
            self._stopping.spawn(self._subscribers.pop(shard).stop())

    def _subscribe_at_shard(self, channel: str) -> None:
        """Subscribe to a channel at the shard that serves it now."""
        try:
            shard: str | None = self._redis.engine.shard_of(channel)
        except LookupError:
            shard = None
        before = self._shard_by_channel.get(channel)
        # `on_lost` calls this later: the channel may be unsubscribed or placed by then.
        if channel not in self._shard_by_channel or shard == before:
            return
        # Events between the old and the new subscription are lost: `on_confirmed` reports the gap.
        self._shard_by_channel[channel] = shard
        self._moving.add(channel)
        if before in self._subscribers:
            self._subscribers[before].unsubscribe(channel)
        if shard in self._subscribers:
            self._subscribers[shard].subscribe(channel)
