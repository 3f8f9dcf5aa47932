"""All events of a data set, or of a part of it, by a connection to Redis of their own.

Unlike `Feed`, it promises nothing: what comes while the connection is away is lost. It is for
operators who look on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from syncline_protocol.errors import Code, Refusal
from syncline_server.storage.errors import ReplyError, StorageError
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection, connect

__all__ = ["PatternSubscriber"]

SID_LENGTH = 34


class PatternSubscriber:
    """A subscription to the events of many objects.

    Attributes:
        has_answered: set whenever Redis sends anything.
    """

    def __init__(
        self, redis: Redis, timeout: float, on_event: Callable[[str, bytes], None]
    ) -> None:
        """
        Args:
            timeout: seconds that the connection may take.
            on_event: receives the service's SID and the payload of each event; must not block.
        """
        self._redis = redis
        self._timeout = timeout
        self._on_event = on_event
        self._connection: Connection | None = None
        self._wanted = re.compile(b"")
        self.has_answered = False

    async def open(self, service_sid: str | None, sid: str) -> None:
        """Subscribe.

        Args:
            service_sid: None for all services.
            sid: a SID, or the beginning of SIDs and `*`.

        Raises:
            Refusal: `BAD_REQUEST` on a Cluster; `UNAVAILABLE`; `FORBIDDEN` if the Redis user lacks
                the right.
        """
        engine = self._redis.engine
        if not engine.is_whole:
            raise Refusal(
                Code.BAD_REQUEST,
                "This server's Redis is a Cluster, whose events cannot be followed as a whole; "
                "follow one object.",
            )
        pattern = self._redis.wire_channel(f"{{{service_sid or 'IS*'}:*}}:event:{sid}")
        self._wanted = re.compile(re.escape(pattern).replace(r"\*", ".*").encode())
        try:
            (shard,) = engine.shards()
            address = await engine.address(shard)
            self._connection = await connect(address, self._timeout, self._on_push)
            try:
                await self._connection.execute("PSUBSCRIBE", pattern)
            except ReplyError:
                # A Redis user may only name the very pattern that was given to it: that of all
                # events, as docs/operations.md has it. `_on_push` chooses among them.
                await self._connection.execute("PSUBSCRIBE", self._redis.prefixed("{IS*"))
            self.has_answered = True
        except ReplyError as error:
            self.close()
            raise Refusal(
                Code.FORBIDDEN, f"The Redis user of this server may not do that: {error}"
            ) from None
        except (OSError, ValueError, StorageError):
            self.close()
            raise Refusal(Code.UNAVAILABLE, "The store is unavailable. Try again.") from None

    @property
    def is_open(self) -> bool:
        """False once the connection has ended."""
        return self._connection is not None and not self._connection.ended.done()

    def ping(self) -> None:
        """Ask Redis for a sign of life, which sets `has_answered`."""
        self.has_answered = False
        if self._connection is not None:
            self._connection.send("PING")

    def close(self) -> None:
        """End the subscription."""
        if self._connection is not None:
            self._connection.abort()

    def _on_push(self, push: Any) -> None:
        self.has_answered = True
        match push:
            case [b"pmessage", _, channel, payload] if self._wanted.fullmatch(channel):
                tag = channel.rpartition(b"{")[2]
                self._on_event(tag[:SID_LENGTH].decode(), payload)
