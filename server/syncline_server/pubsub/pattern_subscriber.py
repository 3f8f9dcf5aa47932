"""A tail of a Redis that is no Cluster: one connection, with one pattern of channels."""

from __future__ import annotations

from typing import Any

from syncline_protocol.errors import Code, Refusal
from syncline_server.storage.errors import ReplyError, StorageError
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection, connect

from .published import ALL_EVENTS, OnPublished, Selection

__all__ = ["PatternSubscriber", "no_right", "unavailable"]


class PatternSubscriber:
    """A `TailSubscriber`; it ends with its connection, and its owner opens another one.

    Attributes:
        has_answered: as in `TailSubscriber`.
    """

    def __init__(self, redis: Redis, timeout: float, on_published: OnPublished) -> None:
        """`timeout`: seconds that the connection may take."""
        self._redis = redis
        self._timeout = timeout
        self._on_published = on_published
        self._connection: Connection | None = None
        self._selection: Selection | None = None
        self.has_answered = False

    async def open(self, service_sid: str | None, sid: str) -> None:
        """As `TailSubscriber.open`."""
        engine = self._redis.engine
        try:
            self._selection = Selection(self._redis, service_sid, sid)
            (shard,) = engine.shards()
            address = await engine.address(shard)
            self._connection = await connect(address, self._timeout, self._on_push)
            try:
                await self._connection.execute("PSUBSCRIBE", self._selection.pattern)
            except ReplyError:
                # A Redis user may only name the very pattern that was given to it: that of all
                # events, as docs/operations.md has it. `_on_push` chooses among them.
                await self._connection.execute("PSUBSCRIBE", self._redis.prefixed(ALL_EVENTS))
            self.has_answered = True
        except ReplyError as error:
            self.close()
            raise no_right(error) from None
        except (OSError, ValueError, StorageError):
            self.close()
            raise unavailable() from None

    @property
    def is_open(self) -> bool:
        """As `TailSubscriber.is_open`."""
        return self._connection is not None and not self._connection.ended.done()

    def ping(self) -> None:
        """As `TailSubscriber.ping`."""
        self.has_answered = False
        if self._connection is not None:
            self._connection.send("PING")

    def close(self) -> None:
        """As `TailSubscriber.close`."""
        if self._connection is not None:
            self._connection.abort()

    def _on_push(self, push: Any) -> None:
        self.has_answered = True
        match push:
            case [b"pmessage", _, channel, payload] if self._selection is not None:
                published = self._selection.published(channel, payload)
                if published is not None:
                    self._on_published(published)


def no_right(error: ReplyError) -> Refusal:
    """The refusal of a tail to whose channels Redis refuses a subscription."""
    return Refusal(Code.FORBIDDEN, f"The Redis user of this server may not do that: {error}")


def unavailable() -> Refusal:
    """The refusal of a tail while Redis is away."""
    return Refusal(Code.UNAVAILABLE, "The store is unavailable. Try again.")
