"""Helpers for tests on a real Redis without a running server."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.limits import WAIT_LIMIT
from support.relay import Relay
from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import DOCUMENT, TYPES, Event
from syncline_protocol.revisions import PER_MS
from syncline_server.storage.author import Author
from syncline_server.storage.events import parse_event
from syncline_server.storage.keys import ObjectAddress
from syncline_server.storage.objects import NewObject, ObjectsOf
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection, connect
from syncline_server.storage.redis.engine import ExternalRedis
from syncline_server.storage.results import Written
from syncline_server.storage.scripts import ITEM_SCRIPTS, MESSAGE, OBJECT_SCRIPTS

_SCRIPTS = OBJECT_SCRIPTS[DOCUMENT.name]
COMMITS = {
    *(set(_SCRIPTS) - {_SCRIPTS.fetch, _SCRIPTS.permit}),
    *(each.write for each in ITEM_SCRIPTS.values()),
    MESSAGE,
}

__all__ = [
    "LOST",
    "OPS",
    "WAIT_LIMIT",
    "Clock",
    "Elapse",
    "Inbox",
    "Line",
    "Publications",
    "Service",
    "Store",
    "StoreRelay",
    "aged",
    "elapsing",
    "eventually",
    "refused",
]

LOST = ["commit", "answer"]
"""What a `Line` can lose of a write."""

OPS = [None, "op-1"]
"""Operation ids of a write that is lost."""


@dataclass(frozen=True)
class Store:
    """A running Redis.

    Attributes:
        url: `unix://…`.
        process_id: process id of the Redis server.
    """

    url: str
    process_id: int

    @property
    def engine(self) -> ExternalRedis:
        """An engine for parts that open their own connections."""
        return ExternalRedis(Address.parse(self.url))

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """Open a connection for commands."""
        connection = await connect(Address.parse(self.url), WAIT_LIMIT)
        try:
            yield connection
        finally:
            connection.abort()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop Redis within the block: it keeps connections but does not answer."""
        os.kill(self.process_id, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process_id, signal.SIGCONT)

    async def cut(self, kind: str) -> None:
        """End all `pubsub` or all `normal` connections, except the one that sends this command."""
        async with self.connected() as connection:
            await connection.execute("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


class StoreRelay(Relay):
    """A proxy to a store.

    Attributes:
        engine: an engine that connects through this proxy.
    """

    def __init__(self, path: Path, store: Store) -> None:
        super().__init__(Path(store.url.removeprefix("unix://")), path)
        self.engine = ExternalRedis(Address(path=str(path)))


class Line(StoreRelay):
    """A proxy to a store that can lose the next commit or its reply.

    Attributes:
        lose: "commit" cuts the connection before the next commit reaches Redis; "answer" cuts it
            after Redis has executed the commit, before the reply. Then `lose` is None again.
    """

    def __init__(self, path: Path, store: Store) -> None:
        super().__init__(path, store)
        self.lose: str | None = None

    async def on_request(self, data: bytes) -> bytes | None:
        """Lose a commit, or note that its reply is to be lost."""
        if self.lose is not None and any(each.digest.encode() in data for each in COMMITS):
            if self.lose == "commit":
                self.lose = None
                return None
            self.lose = "this answer"
        return data

    async def on_reply(self, data: bytes) -> bytes | None:
        """Lose the reply to a commit."""
        if self.lose == "this answer":
            self.lose = None
            return None
        return data


class Inbox:
    """A subscriber that queues its events."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    @property
    def reader(self) -> str | None:
        """None: this subscriber needs no right to read."""
        return None

    def on_event(self, event: Event) -> None:
        """Queue the event."""
        self._events.put_nowait(event)

    def on_revoked(self, sid: str) -> None:
        """Fail: a subscriber that needs no right cannot lose it."""
        raise AssertionError(sid)

    async def next(self) -> Any:
        """Take the oldest queued event; wait if there is none."""
        async with asyncio.timeout(WAIT_LIMIT):
            return await self._events.get()

    def rest(self) -> list[Event]:
        """Take all queued events."""
        return [self._events.get_nowait() for _ in range(self._events.qsize())]


class Publications:
    """All events that subscribers of objects receive in one service, directly from Redis.

    Creations are not among them: only tails receive those.
    """

    def __init__(self) -> None:
        self._events: list[Any] = []
        self._answer: asyncio.Future[None]
        self._connection: Connection

    @classmethod
    @asynccontextmanager
    async def of(cls, store: Store, service_sid: str) -> AsyncIterator[Publications]:
        """Collect the events from now on."""
        self = cls()
        self._connection = await connect(Address.parse(store.url), WAIT_LIMIT, self._on_push)
        self._connection.send("PSUBSCRIBE", f"{{{service_sid}:*")
        await self.take()
        yield self
        self._connection.abort()

    async def take(self) -> list[Any]:
        """All events that were published since the last call, in order."""
        self._answer = asyncio.get_running_loop().create_future()
        # Redis replies in order: earlier events arrive before the reply to this PING.
        self._connection.send("PING", "all")
        async with asyncio.timeout(WAIT_LIMIT):
            await self._answer
        events, self._events = self._events, []
        return events

    def _on_push(self, push: Any) -> None:
        match push:
            case [b"pmessage", _, channel, payload] if not channel.endswith(b":created"):
                self._events.append(parse_event(payload))
            case [b"pong", b"all"]:
                self._answer.set_result(None)


class Service:
    """The documents of one service, with default arguments that suit most tests.

    `who` is an identity, or an author.
    """

    def __init__(self, objects: ObjectsOf[Document], sid: str) -> None:
        self.objects = objects
        self.sid = sid

    def at(self, address: str) -> ObjectAddress:
        """The document with this SID or unique name."""
        return ObjectAddress(self.sid, DOCUMENT, address)

    async def create(
        self,
        name: str | None = None,
        data: bytes = b"{}",
        ttl: int | None = None,
        who: str | Author = "alice",
        op: str | None = None,
    ) -> Document:
        """Create a document and return it, or return the one that has the name."""
        return (await self.find_or_create(name, data, ttl, who, op)).state

    async def find_or_create(
        self,
        name: str | None = None,
        data: bytes = b"{}",
        ttl: int | None = None,
        who: str | Author = "alice",
        op: str | None = None,
    ) -> Written[Document]:
        """As `Objects.create`."""
        new = NewObject(name=name, data=data, ttl=ttl, op=op)
        return await self.objects.create(self.sid, DOCUMENT, _author(who), new)

    async def get(self, address: str) -> Document | None:
        """As `Objects.get`."""
        return await self.objects.get(self.at(address))

    async def set(
        self,
        address: str,
        data: bytes | None = None,
        ttl: int | None = None,
        if_match: int | None = None,
        who: str | Author = "bob",
        op: str | None = None,
    ) -> Written[Document]:
        """As `Objects.update`."""
        return await self.objects.update(
            self.at(address), _author(who), data=data, ttl=ttl, if_match=if_match, op=op
        )

    async def remove(
        self,
        address: str,
        if_match: int | None = None,
        who: str | Author = "bob",
        op: str | None = None,
    ) -> Written[Document]:
        """As `Objects.remove`."""
        return await self.objects.remove(self.at(address), _author(who), if_match=if_match, op=op)


def _author(who: str | Author) -> Author:
    return who if isinstance(who, Author) else Author(identity=who)


class Clock:
    """A clock for the server that a test shifts by `offset_ms`; the clock of Redis is unchanged."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.offset_ms = 0

    def __call__(self) -> int:
        return self._now_ms() + self.offset_ms


Elapse = Callable[[int], Awaitable[Any]]
"""Lets this many milliseconds pass for everything that expires."""

_ELAPSE = """
for type in ARGV[3]:gmatch('%S+') do
  for _, key in ipairs(redis.call('KEYS', '{' .. ARGV[1] .. ':*:' .. type .. ':*')) do
    local expires = redis.call('HGET', key, 'x')
    if expires ~= '' then
      redis.call('HSET', key, 'x', string.format('%.0f', expires - ARGV[2]))
    end
  end
end
local EXPIRES = 34  -- place of the expiry in the record of a live item (lib/items.lua)
for _, key in ipairs(redis.call('KEYS', '{' .. ARGV[1] .. ':*:items:*')) do
  local records = redis.call('HGETALL', key)
  for index = 2, #records, 2 do
    local record = records[index]
    local expires = record:byte() == 76 and struct.unpack('>d', record, EXPIRES) or 0
    if expires ~= 0 then
      local moved = struct.pack('>d', expires - ARGV[2])
      record = record:sub(1, EXPIRES - 1) .. moved .. record:sub(EXPIRES + 8)
      redis.call('HSET', key, records[index - 1], record)
    end
  end
end
local indexes = redis.call('KEYS', '{' .. ARGV[1] .. ':*:expiries')
table.insert(indexes, '{' .. ARGV[1] .. '}:due')
for _, key in ipairs(indexes) do
  for _, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do
    redis.call('ZINCRBY', key, -ARGV[2], member)
  end
end
"""


def elapsing(admin: Connection, service_sid: str) -> Elapse:
    """An `Elapse` for one service: moves the deadlines, because Redis' clock cannot be set."""
    types = " ".join(each.name for each in TYPES)
    return lambda ms: admin.execute("EVAL", _ELAPSE, 0, service_sid, ms, types)


async def refused(attempt: Awaitable[Any], code: Code) -> Refusal:
    """Await `attempt`, which must be refused with `code`; return the refusal."""
    with pytest.raises(Refusal) as caught:
        await attempt
    assert caught.value.code is code
    return caught.value


async def eventually(condition: Callable[[], object]) -> None:
    """Return when `condition` holds; polls, for conditions that no event reports."""
    async with asyncio.timeout(WAIT_LIMIT):
        while not condition():
            await asyncio.sleep(0.005)


async def aged(redis: Redis, revision: int) -> None:
    """Return when a write of now surely gets a later revision.

    By what the client knows of Redis' clock, which on a busy machine is some milliseconds less.
    """
    await eventually(lambda: redis.now_ms() * PER_MS > revision)
