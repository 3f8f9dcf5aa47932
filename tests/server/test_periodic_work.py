"""The periodic work of a data set: one process does it, and another goes on when it is away."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from support.account import Account
from support.limits import WAIT_LIMIT
from support.receiver import Receiver
from support.server import RunningServer, StartServer
from support.socket import NativeSocket, native_socket
from support.store import Store
from syncline_server.storage import keys
from syncline_server.storage.redis.connection import Connection

POLLS = 8
"""Polls of an idle process in which its commands are counted."""

PERIODIC = ("HGETALL", "HKEYS", "SMEMBERS", "SRANDMEMBER", "ZRANGE", "ZRANGEBYSCORE")
"""Commands that only the periodic work sends; the check of the rights tries each once as well."""

OTHERS = ("EVALSHA", "GET", "HMGET", "MGET", "PING", "PUBLISH", "TIME")
"""The other commands of a process without clients."""

CHECK = "XREADGROUP"
"""A command that nothing but the check of the rights sends, once, while there are no webhooks."""

PER_POLL = 8
"""Commands of an idle process for each poll, at most; without a shared lease there were 16."""


class DataSet:
    """A data set of its own in the store.

    Attributes:
        lease: the key of its lease.
    """

    def __init__(self, store: Store, start: StartServer, admin: Connection) -> None:
        prefix = f"{secrets.token_hex(4)}:"
        self.lease = f"{prefix}{keys.PERIODIC_LEASE}"
        self._options = (f"--redis-url={store.url}", f"--redis-prefix={prefix}")
        self._start, self._admin = start, admin
        self._first: RunningServer | None = None

    async def server(self) -> RunningServer:
        """Start a server; further ones have the account of the first."""
        environ = None if self._first is None else self._first.account_environ
        options = (*self._options, "--webhook-networks=127.0.0.0/8")
        made = await asyncio.to_thread(self._start, *options, environ=environ)
        self._first = self._first or made
        return made

    async def holder(self, *, other_than: bytes | None = None) -> bytes:
        """The holder of the lease, once a process has it."""
        async with asyncio.timeout(WAIT_LIMIT):
            while (found := await self._admin.execute("GET", self.lease)) in (None, other_than):
                await asyncio.sleep(0.02)
        assert isinstance(found, bytes)
        return found

    async def two_servers(self) -> tuple[RunningServer, RunningServer, bytes]:
        """Two servers, of which the first has the lease, and its name in the lease."""
        first = await self.server()
        holder = await self.holder()
        return first, await self.server(), holder


@pytest.fixture
def data_set(store: Store, fresh_server: StartServer, admin: Connection) -> DataSet:
    return DataSet(store, fresh_server, admin)


@contextmanager
def paused(server: RunningServer) -> Iterator[None]:
    """Stop a process: it keeps its connections and does nothing."""
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.process.pid, signal.SIGCONT)


@pytest.fixture
async def calls(admin: Connection) -> AsyncIterator[Callable[[], Awaitable[dict[str, int]]]]:
    """Returns how often each command was executed since the test began."""
    await admin.execute("CONFIG", "RESETSTAT")

    async def calls() -> dict[str, int]:
        lines = (await admin.execute("INFO", "commandstats")).decode().splitlines()
        found = (line.removeprefix("cmdstat_").split(":calls=") for line in lines[1:])
        return {name.upper(): int(rest.partition(",")[0]) for name, rest in found}

    yield calls


async def removed(socket: NativeSocket, sids: list[str]) -> None:
    """Read until each of these was reported as removed; none may be reported twice."""
    left = set(sids)
    while left:
        event = await socket.event()
        assert event["event"] == "removed", event
        left.remove(event["document"]["sid"])


async def brief(socket: NativeSocket, count: int = 5) -> list[str]:
    """Open new documents that expire after a second."""
    made = [await socket.document("open", document=None, ttl=1) for _ in range(count)]
    return [each["sid"] for each in made]


async def test_an_idle_process_leaves_the_periodic_work_to_the_one_with_the_lease(
    data_set: DataSet, admin: Connection, calls: Callable[[], Awaitable[dict[str, int]]]
) -> None:
    await admin.execute("SET", data_set.lease, "another process")
    server = await data_set.server()
    before = await calls()
    while (after := await calls()).get("MGET", 0) - before.get("MGET", 0) < POLLS:
        await asyncio.sleep(0.05)
    sent = {name: count - before.get(name, 0) for name, count in after.items()}
    checks = sent.get(CHECK, 0)
    assert {name: sent.get(name, 0) for name in PERIODIC} == dict.fromkeys(PERIODIC, checks)
    # Those of the check of the rights do not count; it tries each once.
    assert sum(sent.get(name, 0) - checks for name in OTHERS) <= PER_POLL * sent["MGET"]
    await admin.execute("DEL", data_set.lease)
    await data_set.holder()
    assert server.process.poll() is None


async def test_another_process_goes_on_when_the_one_with_the_lease_is_killed(
    data_set: DataSet, admin: Connection
) -> None:
    first, second, holder = await data_set.two_servers()
    async with native_socket(second, second.token("alice")) as socket:
        sids = await brief(socket)
        await asyncio.to_thread(first.kill)
        # As if it had died in the middle of a sweep, in which a bucket is not on the index.
        for index in await admin.execute("KEYS", f"{data_set.lease.partition('{')[0]}*:due"):
            await admin.execute("DEL", index)
        await removed(socket, sids)
    assert await admin.execute("GET", data_set.lease) not in (None, holder)


async def test_another_process_goes_on_at_once_when_the_one_with_the_lease_stops(
    data_set: DataSet, admin: Connection
) -> None:
    first, second, holder = await data_set.two_servers()
    await asyncio.to_thread(first.stop)
    # The holder gave it back: it did not have to lapse.
    assert await admin.execute("GET", data_set.lease) != holder
    async with native_socket(second, second.token("alice")) as socket:
        await removed(socket, await brief(socket))


async def test_a_pause_longer_than_the_lease_makes_nothing_happen_twice(data_set: DataSet) -> None:
    first, second, holder = await data_set.two_servers()
    async with Receiver(first.basic[1]) as receiver:
        with Account(second) as account:
            service = account.service(WebhookUrl=receiver.url)
        token = second.token("alice", service=service)
        async with native_socket(second, token) as socket:
            before = await brief(socket)
            with paused(first):
                other = await data_set.holder(other_than=holder)
                during = await brief(socket)
                await removed(socket, [*before, *during])
            after = await brief(socket)
            await removed(socket, after)
            await socket.ok("ping")
            assert socket.unread == []
        sids = [*before, *during, *after]
        # One of its creation and one of its removal.
        await receiver.until_taken(2 * len(sids))
        tokens = [delivery.token for delivery in receiver.came]
        assert len(set(tokens)) == len(tokens) == 2 * len(sids)
        ends = [each.form["DocumentSid"] for each in receiver.taken if "removed" in each.kind]
        assert sorted(ends) == sorted(sids)
    assert await data_set.holder() == other
