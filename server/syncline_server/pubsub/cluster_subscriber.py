"""A tail of a Redis Cluster: a connection to each shard, with the shard's channel for tails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from syncline_server.observability.tasks import TaskSet
from syncline_server.storage.errors import ReplyError, StorageError
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection, connect, describe
from syncline_server.storage.redis.inspection import is_denial

from .pattern_subscriber import no_right, unavailable
from .published import ALL_EVENTS, OnPublished, Selection

__all__ = ["ClusterSubscriber"]

logger = logging.getLogger("syncline.feed")

BEAT = 0.5
"""Seconds between PINGs, and between comparisons with the slot map."""

SILENT_BEATS = 4
"""PINGs in a row without an answer after which a connection is replaced. A count, not a time, as in
`ShardSubscriber`."""


class _ShardTail:
    """The connection to one shard, subscribed to the shard's channel for tails.

    Attributes:
        channel: the name in Redis.
    """

    def __init__(self, channel: str, on_message: Callable[[bytes, bytes], None]) -> None:
        self.channel = channel
        self._name = channel.encode()
        self._on_message = on_message
        self._connection: Connection | None = None
        self._unanswered = 0

    async def open(self, redis: Redis, shard: str, timeout: float) -> None:
        """Connect and subscribe. Raises as `connect` and `Connection.execute`."""
        address = await redis.engine.address(shard)
        self._connection = await connect(address, timeout, self._on_push)
        try:
            async with asyncio.timeout(timeout):
                await self._connection.execute(redis.engine.subscribe, self.channel)
                # Scripts publish to the channel while somebody subscribes to a pattern. This one
                # is that of the documented rights; nothing is published on such channels.
                await self._connection.execute("PSUBSCRIBE", redis.prefixed(ALL_EVENTS))
        except BaseException:
            self.close()
            raise

    @property
    def is_open(self) -> bool:
        return self._connection is not None and not self._connection.ended.done()

    def beat(self) -> None:
        """Send a PING; end a connection that has not answered the last ones."""
        if self._connection is None or self._unanswered >= SILENT_BEATS:
            return self.close()
        self._unanswered += 1
        self._connection.send("PING")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    def _on_push(self, push: Any) -> None:
        self._unanswered = 0
        match push:
            case [b"smessage", self._name, payload]:
                # The name of the object's channel, then what was published there (publish.lua).
                channel, _, message = payload.partition(b"\n")
                self._on_message(channel, message)
            case [b"sunsubscribe", *_]:
                self.close()  # the channel's slot has moved; the next beat finds the new channel


class ClusterSubscriber:
    """A `TailSubscriber` that follows the slot map.

    It goes on while a shard is away, and reports a gap once the shard's events come again.
    """

    has_answered = True  # `_follow` supervises each connection

    def __init__(
        self, redis: Redis, timeout: float, on_published: OnPublished, on_gap: Callable[[], None]
    ) -> None:
        """As `make_subscriber`."""
        self._redis = redis
        self._timeout = timeout
        self._on_published = on_published
        self._on_gap = on_gap
        self._selection: Selection | None = None
        self._shards: dict[str, _ShardTail] = {}
        self._tasks = TaskSet()

    async def open(self, service_sid: str | None, sid: str) -> None:
        """As `TailSubscriber.open`; shards that are away now are tried again later."""
        try:
            self._selection = Selection(self._redis, service_sid, sid)
            failures = await self._connect_all()
        except StorageError:
            raise unavailable() from None
        except BaseException:
            self.close()
            raise
        denial = next((each for each in failures if is_denial(each)), None)
        if isinstance(denial, ReplyError) or not self._shards:
            self.close()
            raise no_right(denial) if isinstance(denial, ReplyError) else unavailable()
        if failures:
            self._on_gap()
        self._tasks.spawn(self._follow())

    @property
    def is_open(self) -> bool:
        """True while the events of some shard come."""
        return any(shard.is_open for shard in self._shards.values())

    def ping(self) -> None:
        """Do nothing: `_follow` sends PINGs."""

    def close(self) -> None:
        """As `TailSubscriber.close`."""
        self._tasks.cancel_all()
        for shard in self._shards.values():
            shard.close()
        self._shards.clear()

    async def _follow(self) -> None:
        """Keep a connection to each shard that the slot map names."""
        while True:
            await asyncio.sleep(BEAT)
            for shard in self._shards.values():
                shard.beat()
            try:
                before = dict(self._shards)
                await self._connect_all()
                if any(before.get(name) is not shard for name, shard in self._shards.items()):
                    self._on_gap()
            except StorageError:
                pass  # the data set is not known now

    async def _connect_all(self) -> list[Exception]:
        """Connect to each shard whose events do not come; the failures.

        Raises `Unavailable` while the data set is not known.
        """
        wanted = {}
        for name in self._redis.engine.shards():
            # A shard of very few slots may have no channel.
            if (channel := self._redis.tail_channel(name)) is not None:
                wanted[name] = channel
        for name in self._shards.keys() - wanted.keys():
            self._shards.pop(name).close()
        missing = [name for name, channel in wanted.items() if not self._has(name, channel)]
        outcomes = await asyncio.gather(*(self._connect(name, wanted[name]) for name in missing))
        return [each for each in outcomes if each is not None]

    def _has(self, name: str, channel: str) -> bool:
        shard = self._shards.get(name)
        return shard is not None and shard.is_open and shard.channel == channel

    async def _connect(self, name: str, channel: str) -> Exception | None:
        """Connect to a shard in place of an earlier connection; the failure."""
        if (before := self._shards.pop(name, None)) is not None:
            before.close()
        shard = _ShardTail(channel, self._on_message)
        try:
            await shard.open(self._redis, name, self._timeout)
        except (OSError, StorageError) as error:
            logger.info("a tail has no events of %s: %s", name, describe(error))
            self._redis.engine.suspect(name)
            return error
        self._shards[name] = shard
        return None

    def _on_message(self, channel: bytes, payload: bytes) -> None:
        if self._selection is not None:
            published = self._selection.published(channel, payload)
            if published is not None:
                self._on_published(published)
