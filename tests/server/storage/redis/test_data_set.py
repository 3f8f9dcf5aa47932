"""Two data sets never meet, and each belongs to one account."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from support.server import RunningServer, refused_start
from support.store import WAIT_LIMIT, Service, eventually, refused
from syncline_protocol.errors import Code
from syncline_protocol.objects import Event
from syncline_server.observability.readiness import Readiness
from syncline_server.pubsub.feed import Feed
from syncline_server.storage import keys
from syncline_server.storage.errors import ReplyError
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis import embedded, inspection
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import Connection, connect
from syncline_server.storage.redis.data_set import DataSet
from syncline_server.storage.redis.engine import ExternalRedis

SERVICE = f"IS{'e' * 32}"

COPY = """
for _, key in ipairs(redis.call('KEYS', '*')) do
  redis.call('COPY', key, key, 'DB', 1)
end
"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A Redis of the test's own, with several databases."""
    path = tmp_path / "redis.sock"
    words = ["--port", "0", "--unixsocket", str(path), "--dir", str(tmp_path), "--save", ""]
    process = subprocess.Popen([embedded._find_binary(), *words], stdout=subprocess.DEVNULL)
    try:
        asyncio.run(accepting(path))
        yield f"unix://{path}"
    finally:
        process.kill()
        process.wait()


async def accepting(path: Path) -> None:
    async with asyncio.timeout(WAIT_LIMIT):
        while True:
            try:
                connection = await connect(Address(path=str(path)), WAIT_LIMIT)
            except (OSError, ReplyError):
                await asyncio.sleep(0.01)
            else:
                return connection.abort()


@pytest.fixture
async def root(url: str) -> AsyncIterator[Connection]:
    connection = await connect(Address.parse(url), WAIT_LIMIT)
    yield connection
    connection.abort()


class Server:
    """What a server has of Redis."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.events: asyncio.Queue[Any] = asyncio.Queue()
        self.gaps: asyncio.Queue[list[str]] = asyncio.Queue()
        self.feed = Feed(redis, WAIT_LIMIT, self.events.put_nowait, self.gaps.put_nowait)
        self.service = Service(Objects(redis, 60), SERVICE)

    async def event(self) -> Event:
        async with asyncio.timeout(WAIT_LIMIT):
            event: Event = await self.events.get()
            return event


@asynccontextmanager
async def serving(
    url: str, account: str = "", prefix: str = "", readiness: Readiness | None = None
) -> AsyncIterator[Server]:
    data_set = DataSet(account, prefix)
    redis = Redis(
        ExternalRedis(Address.parse(url)), WAIT_LIMIT, data_set=data_set, readiness=readiness
    )
    await redis.start()
    server = Server(redis)
    server.feed.start()
    try:
        yield server
    finally:
        await server.feed.stop()
        await redis.stop()


async def test_a_copy_on_another_database_publishes_for_itself(url: str, root: Connection) -> None:
    async with serving(url) as first:
        document = await first.service.create("prefs")
        await root.execute("EVAL", COPY, 0)
        async with serving(f"{url}?db=1") as second:
            assert second.redis.data_set.id == first.redis.data_set.id
            for server in (first, second):
                await server.feed.subscribe(keys.channel(SERVICE, document.sid))
            there = await second.service.set("prefs", b'{"at":1}')
            here = await first.service.set("prefs", b'{"at":0}')
            assert (await second.event()).revision == there.state.revision
            assert (await first.event()).revision == here.state.revision
            assert first.events.empty() and second.events.empty()


async def test_a_prefix_keeps_installations_apart(url: str, root: Connection) -> None:
    async with serving(url, prefix="a:") as first, serving(url, "AC1", "b:") as second:
        assert first.redis.data_set.id != second.redis.data_set.id
        mine = await first.service.create("prefs", b'{"a":1}', ttl=60)
        assert await second.service.get("prefs") is None
        theirs = await second.service.create("prefs", b'{"b":1}')
        for server, sid in ((first, mine.sid), (second, theirs.sid)):
            await server.feed.subscribe(keys.channel(SERVICE, sid))
            written = await server.service.set("prefs", b"{}")
            assert (await server.event()).revision == written.state.revision
        stored = [key.decode() for key in await root.execute("KEYS", "*")]
        assert {key[:3] for key in stored} == {"a:{", "b:{"}
        tag = keys.bucket_tag(SERVICE, 7)
        assert key_slot(f"a:{tag}:x".encode()) == key_slot(tag.encode())


async def test_all_that_serve_a_data_set_agree_on_its_id(url: str) -> None:
    async with serving(url) as first, serving(url) as second, serving(url) as third:
        ids = {server.redis.data_set.id for server in (first, second, third)}
        assert len(ids) == 1 and None not in ids


async def test_an_id_that_was_lost_with_the_data_is_given_again(
    url: str, root: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "INSPECTION_INTERVAL", 0.02)
    async with serving(url, "AC1") as server:
        before = server.redis.data_set.id
        await root.execute("FLUSHALL")
        async with asyncio.timeout(WAIT_LIMIT):
            while not await root.execute("EXISTS", keys.DATA_SET):
                await asyncio.sleep(0.01)
        assert await root.execute("HGET", keys.DATA_SET, "id") == (before or "").encode()


async def test_another_data_set_in_its_place_is_followed(
    url: str, root: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "INSPECTION_INTERVAL", 0.02)
    async with serving(url) as server:
        document = await server.service.create("prefs")
        name = keys.channel(SERVICE, document.sid)
        await server.feed.subscribe(name)
        await root.execute("HSET", keys.DATA_SET, "id", "another")
        await eventually(lambda: server.redis.data_set.id == "another")
        channel = server.redis.wire_channel(name)
        async with asyncio.timeout(WAIT_LIMIT):
            while await root.execute("PUBSUB", "NUMSUB", channel) != [channel.encode(), 1]:
                await asyncio.sleep(0.01)
        written = await server.service.set("prefs", b'{"a":1}')
        assert (await server.event()).revision == written.state.revision
        assert channel.split(":")[-2] == "another"


async def test_a_running_server_serves_no_other_account(
    url: str, root: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "INSPECTION_INTERVAL", 0.02)
    readiness = Readiness()
    async with serving(url, "AC1", readiness=readiness) as server:
        await server.service.create("prefs")
        await root.execute("HSET", keys.DATA_SET, "account", "AC2")
        await eventually(lambda: "data_set" in readiness.problems)
        for attempt in (server.service.get("prefs"), server.service.set("prefs", b"{}")):
            assert "another account" in (await refused(attempt, Code.UNAVAILABLE)).message
        await root.execute("HSET", keys.DATA_SET, "account", "AC1")
        await eventually(lambda: not readiness.problems)
        assert await server.service.get("prefs") is not None


def test_a_server_of_another_account_does_not_start(url: str, tmp_path: Path) -> None:
    options = ("--redis-url", url)
    with RunningServer(tmp_path / "first", *options):
        said = refused_start(f"--data-dir={tmp_path / 'second'}", *options)
        assert "belongs to the account AC" in said
        with RunningServer(tmp_path / "second", *options, "--redis-prefix", "second:"):
            pass


@pytest.mark.parametrize("prefix", ["a{b", "a}", "a b", "é", "x" * 65])
def test_a_prefix_that_would_move_keys_is_refused(tmp_path: Path, prefix: str) -> None:
    said = refused_start(f"--data-dir={tmp_path}", "--redis-prefix", prefix)
    assert "--redis-prefix" in said
