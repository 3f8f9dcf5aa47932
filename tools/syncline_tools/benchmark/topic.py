"""Documents with a writer and subscribers, and counts of the events that subscribers receive."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, field
from functools import partial

import orjson

from syncline import JsonObject

from .socket import Place, Socket

__all__ = ["Count", "Topic"]

_STAMP = re.compile(rb'"number":(\d+),"at":(\d+)')


@dataclass(slots=True)
class Count:
    """Events that the subscribers of all documents received.

    Attributes:
        deliveries: number of events received.
        merged: number of events not received because a newer one of the document replaced them.
        delays: seconds from sending a write to receiving its event.
    """

    deliveries: int = 0
    merged: int = 0
    delays: list[float] = field(default_factory=list)

    def reset(self) -> None:
        """Set all counts to zero."""
        self.deliveries = self.merged = 0
        self.delays.clear()


class Topic:
    """A document with its writer and its subscribers."""

    def __init__(self, name: str, writer: Socket, count: Count, size: int) -> None:
        """
        Args:
            name: unique name of the document.
            count: counts the events that its subscribers receive.
            size: approximate size of its data in bytes.
        """
        self.name = name
        self.writer = writer
        self._count = count
        self._newest = 0
        self._padding = "x" * max(0, size - len(orjson.dumps(self._stamped(""))))
        self._seen: list[int] = []
        self._behind: set[int] = set()
        self._arrived = asyncio.Event()

    async def create(self, ttl: int) -> None:
        """Create the document with a TTL in seconds; raises `RequestError`."""
        create = {"do": "open", "mode": "create_new", "document": self.name, "ttl": ttl}
        await self.writer.send_request(create)
        await self.writer.send_request({"do": "unsubscribe", "document": self.name})

    async def remove(self) -> None:
        """Remove the document; raises `RequestError`."""
        await self.writer.send_request({"do": "remove", "document": self.name})

    async def subscribe(self, place: Place) -> Socket:
        """Open a connection that subscribes to the document; raises as the methods of `Socket`."""
        subscriber = len(self._seen)
        self._seen.append(0)
        socket = await Socket.dial(place, partial(self._handle_message, subscriber))
        try:
            await socket.send_request(
                {"do": "open", "document": self.name, "mode": "open_existing"}
            )
        except BaseException:
            socket.close()
            raise
        return socket

    def write(self) -> asyncio.Future[object]:
        """Write the document; the future ends with the reply or with `RequestError`."""
        self._newest += 1
        self._behind = set(range(len(self._seen)))
        if self._behind:
            self._arrived.clear()
        set_data = {"do": "set", "document": self.name, "data": self._stamped(self._padding)}
        return self.writer.send_request(set_data)

    async def arrived(self) -> None:
        """Wait until all subscribers have received the newest write."""
        await self._arrived.wait()

    def forget(self) -> None:
        """Let `arrived` return: the newest write was refused, so its event will not arrive."""
        self._arrived.set()

    def _stamped(self, padding: str) -> JsonObject:
        return {"number": self._newest, "at": time.monotonic_ns(), "padding": padding}

    def _handle_message(self, subscriber: int, message: bytes) -> None:
        stamp = _STAMP.search(message)
        if stamp is None:
            return
        number = int(stamp[1])
        count = self._count
        count.deliveries += 1
        count.merged += max(0, number - self._seen[subscriber] - 1)
        count.delays.append((time.monotonic_ns() - int(stamp[2])) / 1e9)
        self._seen[subscriber] = number
        # An older event does not count: `write` has already reset `_behind` for a newer one.
        if number >= self._newest:
            self._behind.discard(subscriber)
            if not self._behind:
                self._arrived.set()
