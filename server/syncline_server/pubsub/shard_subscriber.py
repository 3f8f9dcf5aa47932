"""The events of one shard: a supervised pub/sub connection.

It is never trusted blindly. A PING of its own tells that it is alive, and a probe, published the
way that commits are, that it hears what they publish: it could hang on a server that is no master
any more. After any break it subscribes anew, and tells that events may have been missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

from syncline_protocol.documents import Event
from syncline_protocol.errors import Refusal
from syncline_server.storage.events import parse_event
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection, ReplyError, connect
from syncline_server.storage.redis.shard import reconnect
from syncline_server.storage.rights import RightsChanged

__all__ = ["Ear", "Listener"]

logger = logging.getLogger("syncline.feed")

HEARTBEAT = 0.4
"""Seconds between PINGs, and between probes."""

SILENT_BEATS = 2
"""PINGs in a row without an answer after which the connection is given up. Not a time: after a
pause of this process, the answers are there but not read yet."""

PROBE_CANDIDATES = 4096
"""Channels that are tried for one that the shard serves; one with fewer slots goes unprobed."""

_RESUBSCRIBED = b"resubscribed"


class Listener(Protocol):
    """Who wants to hear. Every method must not block."""

    def on_event(self, event: Event | RightsChanged) -> None:
        """Take an event; those of a channel come in order."""

    def on_confirmed(self, channel: str) -> None:
        """Every later event of the channel comes, or `on_gap` is called."""

    def on_lost(self, channel: str) -> None:
        """The channel is not listened to here any more."""

    def on_gap(self, channels: list[str]) -> None:
        """Events of these channels may have been missed; they come again."""


class Ear:
    """The channels of one shard that somebody here listens to.

    Attributes:
        channels: those that are wanted.
        lag: seconds that the last probe took to come back.
        round_trip: seconds until Redis had answered that it took the last probe.
    """

    def __init__(self, redis: Redis, shard: str, timeout: float, listener: Listener) -> None:
        """`timeout`: seconds that a connection may take."""
        self.channels: set[str] = set()
        self.lag = 0.0
        self.round_trip = 0.0
        self._redis = redis
        self._engine = redis.engine
        self._shard = shard
        self._timeout = timeout
        self._listener = listener
        self._connection: Connection | None = None
        # Subscriptions that Redis has not confirmed: after an `unsubscribe` only the last counts.
        self._outstanding: Counter[str] = Counter()
        self._unanswered = 0
        self._probe = ""
        self._tasks: set[asyncio.Task[None]] = set()
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
        for task in self._tasks:
            task.cancel()
        if self._connection is not None:
            self._connection.abort()

    def subscribe(self, channel: str) -> None:
        """Listen to a channel; the listener is told when that is confirmed."""
        if channel not in self.channels:
            self.channels.add(channel)
            self._send_subscribe([channel])

    def unsubscribe(self, channel: str) -> None:
        """No event of the channel is wanted any more."""
        if channel in self.channels:
            self.channels.discard(channel)
            if self._connection is not None:
                self._connection.send(self._engine.unsubscribe, channel)

    def _send_subscribe(self, channels: list[str]) -> None:
        if self._connection is not None:
            self._outstanding.update(channels)
            self._connection.send(self._engine.subscribe, *channels)

    async def _supervise(self) -> None:
        trouble = partial(self._engine.suspect, self._shard)
        while True:
            self._connection = await reconnect(self._connect, trouble)
            self._subscribe_all(self._connection)
            await self._watch(self._connection)
            self._connection = None
            logger.warning("the feed from Redis broke")
            trouble()

    async def _connect(self) -> Connection:
        address = await self._engine.address(self._shard)
        return await connect(address, self._timeout, self._on_push)

    def _subscribe_all(self, connection: Connection) -> None:
        self._outstanding.clear()
        self._probe = self._choose_probe()
        channels = [self._probe, *self.channels]
        size = self._engine.channels_at_once
        for start in range(0, len(channels), size):
            self._send_subscribe(channels[start : start + size])
        # Answered in order: when this comes back, the subscriptions stand.
        connection.send("PING", _RESUBSCRIBED)

    async def _watch(self, connection: Connection) -> None:
        """Until the connection ends, or has been silent for too long and is ended."""
        self._unanswered = 0
        while not connection.ended.done():
            if self._unanswered >= SILENT_BEATS:
                silence = SILENT_BEATS * HEARTBEAT
                logger.warning("the feed from Redis has been silent for %g s", silence)
                return connection.abort()
            self._unanswered += 1
            connection.send("PING", "")
            task = asyncio.create_task(self._send_probe(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.wait([connection.ended], timeout=HEARTBEAT)

    async def _send_probe(self, connection: Connection) -> None:
        """Publish to ourselves by the way of commits, and end a connection that cannot hear it."""
        if self._outstanding[self._probe]:
            return  # Redis may take this before the subscription, which is on the other connection
        clock = asyncio.get_running_loop().time
        sent_at = clock()
        # While Redis refuses, this says nothing about the feed.
        with suppress(Refusal, ReplyError):
            receivers = await self._redis.execute(
                self._engine.publish, self._probe, f"{sent_at:.6f}"
            )
            self.round_trip = clock() - sent_at
            if not receivers and connection is self._connection:
                logger.warning("the feed hangs on a server that commits do not go to")
                connection.abort()

    def _on_push(self, push: Any) -> None:
        self._unanswered = 0
        match push:
            case [b"message" | b"smessage", channel, payload]:
                if channel == self._probe.encode():
                    now = asyncio.get_running_loop().time()
                    self.lag = max(0.0, now - float(payload))
                else:
                    self._tell(channel.decode(), payload)
            case [b"subscribe" | b"ssubscribe", channel, _]:
                self._on_confirmation(channel.decode())
            case [b"sunsubscribe", channel, _] if channel.decode() in self.channels:
                # Unasked: the slot has moved. Its new place is found, or it is taken up again here.
                self.channels.discard(channel.decode())
                self._engine.suspect(self._shard)
                self._listener.on_lost(channel.decode())
            case [b"pong", payload] | bytes(payload) if payload == _RESUBSCRIBED:
                self._listener.on_gap(list(self.channels))
            case ReplyError() if str(push).startswith("MOVED"):
                self._engine.moved(str(push))

    def _tell(self, channel: str, payload: bytes) -> None:
        try:
            event = parse_event(payload)
        except (LookupError, TypeError, ValueError):
            # Of a later version, perhaps: then a comparison shows what it told.
            logger.warning("a message on %s cannot be read", channel)
            self._listener.on_gap([channel])
        else:
            self._listener.on_event(event)

    def _on_confirmation(self, channel: str) -> None:
        self._outstanding[channel] -= 1
        if self._outstanding[channel] <= 0:
            del self._outstanding[channel]
            if channel in self.channels:
                self._listener.on_confirmed(channel)

    def _choose_probe(self) -> str:
        """A channel of our own that the shard serves."""
        identifier = uuid4().hex
        candidates = (f"{{probe{number}}}:{identifier}" for number in range(PROBE_CANDIDATES))
        return next(filter(self._serves, candidates), f"{{probe}}:{identifier}")

    def _serves(self, channel: str) -> bool:
        try:
            return self._engine.shard_of(channel) == self._shard
        except LookupError:
            return False
