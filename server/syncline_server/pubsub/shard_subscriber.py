"""The pub/sub connection to one shard, supervised.

The connection is never trusted blindly. PINGs on the connection show that it is alive. Probes,
published the way that commits publish, show that events arrive: the connection could be to a server
that is no longer the master. After any break `ShardSubscriber` subscribes again, and reports to
`Listener.on_gap` that events may have been missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

from syncline_protocol.objects import Event
from syncline_server.observability.tasks import TaskSet
from syncline_server.storage.errors import Denied, ReplyError, StorageError
from syncline_server.storage.events import parse_event
from syncline_server.storage.notices import Notice
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection, connect
from syncline_server.storage.redis.inspection import is_denial
from syncline_server.storage.redis.shard import reconnect

__all__ = ["ShardSubscriber", "Listener"]

logger = logging.getLogger("syncline.feed")

HEARTBEAT = 0.4
"""Seconds between PINGs, and between probes."""

SILENT_BEATS = 2
"""PINGs in a row without an answer after which the connection is closed. A count, not a time: after
a pause of this process, the answers have arrived but are not read yet."""

_RESUBSCRIBED = b"resubscribed"


class Listener(Protocol):
    """The receiver of a shard's events. No method may block."""

    def on_event(self, event: Event | Notice) -> None:
        """Receive an event; those of one channel come in order."""

    def on_confirmed(self, channel: str) -> None:
        """The channel is subscribed: every later event is received, or reported by `on_gap`."""

    def on_lost(self, channel: str) -> None:
        """The shard has ended the subscription to the channel."""

    def on_gap(self, channels: list[str]) -> None:
        """Events of these channels may have been missed; the channels are subscribed again."""


class ShardSubscriber:
    """The subscriptions of this process at one shard.

    Attributes:
        channels: the channels to be subscribed to; Redis may not have confirmed all.
        lag: seconds that the last probe took to come back through pub/sub.
        round_trip: seconds that Redis took to answer the PUBLISH of the last probe.
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
        # SUBSCRIBEs per channel that Redis has not confirmed. A channel that was unsubscribed and
        # subscribed again has two, and is confirmed by the second.
        self._outstanding: Counter[str] = Counter()
        # UNSUBSCRIBEs per channel that Redis has not answered on this connection.
        self._unsubscribing: Counter[str] = Counter()
        self._unanswered = 0
        self._probe, self._probe_name = "", b""
        # True once Redis has confirmed every channel.
        self._is_confirmed = False
        # True while the Redis user may not subscribe; true if it could not publish the last probe.
        self._is_denied = self._could_not_publish = False
        self._tasks = TaskSet()

    @property
    def live(self) -> bool:
        """True while events come."""
        return self._connection is not None and self._is_confirmed

    def start(self) -> None:
        """Connect, and stay connected."""
        self._tasks.spawn(self._supervise())

    async def stop(self) -> None:
        """End the connection."""
        # The tasks first: `_supervise` would connect again.
        await self._tasks.aclose()
        if self._connection is not None:
            self._connection.abort()

    def reset(self) -> None:
        """Connect and subscribe again: events may have been missed."""
        if self._connection is not None:
            self._connection.abort()

    def subscribe(self, channel: str) -> None:
        """Subscribe to a channel; `Listener.on_confirmed` reports when Redis has confirmed it."""
        if channel not in self.channels:
            self.channels.add(channel)
            self._send_subscribe([channel])

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        if channel in self.channels:
            self.channels.discard(channel)
            if self._connection is not None:
                self._unsubscribing[channel] += 1
                self._connection.send(self._engine.unsubscribe, self._redis.wire_channel(channel))

    def _send_subscribe(self, channels: list[str]) -> None:
        if self._connection is not None:
            self._outstanding.update(channels)
            names = map(self._redis.wire_channel, channels)
            self._connection.send(self._engine.subscribe, *names)

    async def _supervise(self) -> None:
        trouble = partial(self._engine.suspect, self._shard)
        while True:
            self._connection = await reconnect(self._connect, trouble)
            self._unsubscribing.clear()
            # All of `channels`, also those that were added while there was no connection.
            self._subscribe_all(self._connection)
            await self._keep_alive(self._connection)
            self._connection = None
            self._is_confirmed = False
            logger.warning("the feed from Redis broke")
            trouble()

    async def _connect(self) -> Connection:
        address = await self._engine.address(self._shard)
        if self._redis.data_set.id is None:
            raise OSError("the data set is unknown so far")
        return await connect(address, self._timeout, self._on_push)

    def _subscribe_all(self, connection: Connection) -> None:
        self._outstanding.clear()
        self._is_denied = False
        self._probe = self._choose_probe()
        self._probe_name = self._redis.wire_channel(self._probe).encode()
        channels = [self._probe, *self.channels]
        size = self._engine.channels_at_once
        for start in range(0, len(channels), size):
            self._send_subscribe(channels[start : start + size])
        # Redis answers in order: when this PING is answered, all channels are subscribed.
        connection.send("PING", _RESUBSCRIBED)

    async def _keep_alive(self, connection: Connection) -> None:
        """Send PINGs and probes until the connection ends; abort it after a long silence."""
        self._unanswered = 0
        while not connection.ended.done():
            if self._unanswered >= SILENT_BEATS:
                silence = SILENT_BEATS * HEARTBEAT
                logger.warning("the feed from Redis has been silent for %g s", silence)
                return connection.abort()
            self._unanswered += 1
            # The Redis user may have been given the right in the meantime.
            if self._is_denied:
                self._subscribe_all(connection)
            connection.send("PING", "")
            self._tasks.spawn(self._send_probe(connection))
            await asyncio.wait([connection.ended], timeout=HEARTBEAT)

    async def _send_probe(self, connection: Connection) -> None:
        """Publish a probe as commits publish; abort a connection that cannot receive it."""
        if self._outstanding[self._probe]:
            return  # PUBLISH goes by another connection, and may overtake this SUBSCRIBE
        clock = asyncio.get_running_loop().time
        sent_at = clock()
        # A refused PUBLISH says nothing about the subscriber connection.
        with suppress(StorageError):
            name = self._redis.wire_channel(self._probe)
            try:
                receivers = await self._redis.publish(name, f"{sent_at:.6f}")
            except Denied:
                self._could_not_publish = True
                return
            if self._could_not_publish:
                # Redis refused to publish events of commits too, and it is not known which.
                self._could_not_publish = False
                return self.reset()
            self.round_trip = clock() - sent_at
            # During the PUBLISH the connection may have been replaced: then this proves nothing.
            if not receivers and connection is self._connection:
                logger.warning("the feed is connected to a server that commits do not go to")
                connection.abort()

    def _on_push(self, push: Any) -> None:
        self._unanswered = 0  # any message shows that the connection is alive
        match push:
            case [b"message" | b"smessage", channel, payload]:
                if channel == self._probe_name:
                    now = asyncio.get_running_loop().time()
                    self.lag = max(0.0, now - float(payload))
                else:
                    self._deliver(self._redis.channel(channel.decode()), payload)
            case [b"subscribe" | b"ssubscribe", channel, _]:
                self._on_confirmation(self._redis.channel(channel.decode()))
            case [b"unsubscribe" | b"sunsubscribe", channel, _]:
                self._on_unsubscribed(self._redis.channel(channel.decode()))
            case [b"pong", payload] | bytes(payload) if payload == _RESUBSCRIBED:
                # Events between the break and this answer are lost: report a gap for all channels.
                # A denial would have come before this answer: then nothing is subscribed.
                if not self._is_denied:
                    self._is_confirmed = True
                    self._redis.report(self._shard, "channels", None)
                    self._listener.on_gap(list(self.channels))
            case ReplyError() if str(push).startswith("MOVED"):
                self._engine.moved(str(push))
            case ReplyError() if is_denial(push):
                self._on_denied(push)

    def _on_unsubscribed(self, channel: str) -> None:
        # The answer to an UNSUBSCRIBE of ours; the channel may be subscribed again by now.
        if self._unsubscribing[channel] > 0:
            self._unsubscribing[channel] -= 1
            if not self._unsubscribing[channel]:
                del self._unsubscribing[channel]
            return
        if channel in self.channels:
            # This was not asked for: the slot has moved. `Feed` subscribes at the new shard, or
            # here again.
            self.channels.discard(channel)
            self._engine.suspect(self._shard)
            self._listener.on_lost(channel)

    def _deliver(self, channel: str, payload: bytes) -> None:
        try:
            event = parse_event(payload)
        except (LookupError, TypeError, ValueError):
            # A later version may have published it: a comparison shows the new state.
            logger.warning("a message on %s cannot be read", channel)
            self._listener.on_gap([channel])
        else:
            self._listener.on_event(event)

    def _on_denied(self, error: ReplyError) -> None:
        """Report that the Redis user may not subscribe; `_keep_alive` tries again."""
        self._is_denied, self._is_confirmed = True, False
        words = str(error).removeprefix("NOPERM ")
        self._redis.report(
            self._shard,
            "channels",
            f"its Redis user lacks rights: {self._engine.subscribe} "
            f"{self._probe_name.decode()}: {words}",
        )

    def _on_confirmation(self, channel: str) -> None:
        # Only the last SUBSCRIBE of a channel counts: an UNSUBSCRIBE followed each earlier one.
        self._outstanding[channel] -= 1
        if self._outstanding[channel] <= 0:
            del self._outstanding[channel]
            if channel in self.channels:
                self._listener.on_confirmed(channel)

    def _choose_probe(self) -> str:
        """The name of a new channel that this shard serves and only this process uses."""
        tag = self._redis.probe_tag(self._shard) or "{probe}"
        return f"{tag}:event:{uuid4().hex}"
