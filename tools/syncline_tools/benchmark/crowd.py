"""Documents, each with a writer and subscribers, and what the subscribers see."""

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
    """What subscribers saw, of all documents.

    Attributes:
        deliveries: events that came.
        merged: events that gave way to a newer one of their document.
        delays: seconds from sending a write to seeing it.
    """

    deliveries: int = 0
    merged: int = 0
    delays: list[float] = field(default_factory=list)

    def reset(self) -> None:
        """Begin anew."""
        self.deliveries = self.merged = 0
        self.delays.clear()


class Topic:
    """One document."""

    def __init__(self, name: str, writer: Socket, count: Count, size: int) -> None:
        """
        Args:
            name: unique name of the document.
            count: where is noted what its subscribers see.
            size: of its data, in bytes, about.
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
        """Make the document, for so many seconds at most; raises `RequestError`."""
        create = {"do": "open", "mode": "create_new", "document": self.name, "ttl": ttl}
        await self.writer.ask(create)
        await self.writer.ask({"do": "unsubscribe", "document": self.name})

    async def remove(self) -> None:
        """Remove it; raises `RequestError`."""
        await self.writer.ask({"do": "remove", "document": self.name})

    async def follow(self, place: Place) -> Socket:
        """A new connection that is subscribed; raises as `Socket.dial` and `ask`."""
        subscriber = len(self._seen)
        self._seen.append(0)
        socket = await Socket.dial(place, partial(self._hear, subscriber))
        try:
            await socket.ask({"do": "open", "document": self.name, "mode": "open_existing"})
        except BaseException:
            socket.close()
            raise
        return socket

    def write(self) -> asyncio.Future[object]:
        """Write the document; ends with the reply, or `RequestError`."""
        self._newest += 1
        self._behind = set(range(len(self._seen)))
        if self._behind:
            self._arrived.clear()
        set_data = {"do": "set", "document": self.name, "data": self._stamped(self._padding)}
        return self.writer.ask(set_data)

    async def arrived(self) -> None:
        """Wait until all subscribers have seen the newest write."""
        await self._arrived.wait()

    def forget(self) -> None:
        """The newest write will not arrive: it was refused."""
        self._arrived.set()

    def _stamped(self, padding: str) -> JsonObject:
        return {"number": self._newest, "at": time.monotonic_ns(), "padding": padding}

    def _hear(self, subscriber: int, message: bytes) -> None:
        stamp = _STAMP.search(message)
        if stamp is None:
            return
        number = int(stamp[1])
        count = self._count
        count.deliveries += 1
        count.merged += max(0, number - self._seen[subscriber] - 1)
        count.delays.append((time.monotonic_ns() - int(stamp[2])) / 1e9)
        self._seen[subscriber] = number
        if number >= self._newest:
            self._behind.discard(subscriber)
            if not self._behind:
                self._arrived.set()
