"""The events of open documents, from Redis to this process: one supervised pub/sub connection.

It is never trusted blindly. Its own PINGs prove it alive; after any break it subscribes anew and
tells the hub, which compares what it holds with Redis.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from syncline_protocol.document import Event
from syncline_protocol.errors import Code, Refusal

from .storage.connection import Connection, connect
from .storage.engine import Engine
from .storage.events import parse_event
from .storage.redis import reconnect

__all__ = ["Feed"]

logger = logging.getLogger("syncline.feed")

HEARTBEAT = 0.4
"""Seconds between PINGs."""

SILENCE_LIMIT = 1.0
"""Seconds without a PONG after which the connection is given up."""

BATCH = 500
"""Channels in one SUBSCRIBE: more at once would hold up Redis' other clients."""

_RESUBSCRIBED = b"resubscribed"


class Feed:
    """Channels that somebody here listens to."""

    def __init__(
        self,
        engine: Engine,
        timeout: float,
        on_event: Callable[[Event], None],
        on_gap: Callable[[], None],
    ) -> None:
        """
        Args:
            timeout: seconds that a connection, or a subscription, may take.
            on_event: takes each event, in the order of its channel.
            on_gap: called when events may have been missed, once they come again.
        """
        self._engine = engine
        self._timeout = timeout
        self._on_event = on_event
        self._on_gap = on_gap
        self._connection: Connection | None = None
        self._confirmed: dict[str, asyncio.Future[None]] = {}
        # SUBSCRIBEs that Redis has not confirmed: only the last one after an UNSUBSCRIBE counts.
        self._outstanding: Counter[str] = Counter()
        self._answered_at = 0.0
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def live(self) -> bool:
        """True while events come."""
        return self._connection is not None

    def start(self) -> None:
        """Connect, and stay connected."""
        self._supervisor = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """End the connection."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with suppress(asyncio.CancelledError):
                await self._supervisor
        if self._connection is not None:
            self._connection.abort()

    async def subscribe(self, channel: str) -> None:
        """Return when every later event of the channel will come, or `on_gap` will be called.

        Raises:
            Refusal: `UNAVAILABLE`, if that takes too long.
        """
        confirmed = self._confirmed.get(channel)
        if confirmed is None:
            confirmed = asyncio.get_running_loop().create_future()
            self._confirmed[channel] = confirmed
            self._send_subscribe([channel])
        try:
            async with asyncio.timeout(self._timeout):
                await asyncio.shield(confirmed)
        except TimeoutError:
            raise Refusal(
                Code.UNAVAILABLE, "The store's events are away; nothing was opened. Try again."
            ) from None

    def unsubscribe(self, channel: str) -> None:
        """No event of the channel is wanted any more."""
        if self._confirmed.pop(channel, None) is not None and self._connection is not None:
            self._connection.send("UNSUBSCRIBE", channel)

    def _send_subscribe(self, channels: list[str]) -> None:
        if self._connection is not None:
            self._outstanding.update(channels)
            self._connection.send("SUBSCRIBE", *channels)

    async def _supervise(self) -> None:
        while True:
            self._connection = await reconnect(self._connect)
            self._subscribe_all()
            await self._watch(self._connection)
            self._connection = None
            logger.warning("the feed from Redis broke")

    async def _connect(self) -> Connection:
        return await connect(await self._engine.address(), self._timeout, self._on_push)

    def _subscribe_all(self) -> None:
        self._outstanding.clear()
        channels = list(self._confirmed)
        for start in range(0, len(channels), BATCH):
            self._send_subscribe(channels[start : start + BATCH])
        if self._connection is not None:
            # Answered in order: when this comes back, the subscriptions stand.
            self._connection.send("PING", _RESUBSCRIBED)

    async def _watch(self, connection: Connection) -> None:
        """Until the connection ends, or has been deaf for too long and is ended."""
        clock = asyncio.get_running_loop().time
        self._answered_at = clock()
        while not connection.ended.done():
            if clock() - self._answered_at > SILENCE_LIMIT:
                logger.warning("the feed from Redis has been silent for %g s", SILENCE_LIMIT)
                connection.abort()
            connection.send("PING", "")
            await asyncio.wait([connection.ended], timeout=HEARTBEAT)

    def _on_push(self, push: Any) -> None:
        self._answered_at = asyncio.get_running_loop().time()
        match push:
            case [b"message", _, payload]:
                self._on_event(parse_event(payload))
            case [b"subscribe", channel, _]:
                self._on_confirmation(channel.decode())
            case [b"pong", payload] | bytes(payload) if payload == _RESUBSCRIBED:
                self._on_gap()

    def _on_confirmation(self, channel: str) -> None:
        self._outstanding[channel] -= 1
        if self._outstanding[channel] <= 0:
            del self._outstanding[channel]
            confirmed = self._confirmed.get(channel)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)
