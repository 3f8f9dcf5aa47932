"""Questions of one server to others, by processes of this test on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import orjson
import pytest

from support.limits import WAIT_LIMIT
from support.store import Store
from syncline_protocol.errors import Refusal
from syncline_server.observability.worker_queries import WorkerQueries
from syncline_server.pubsub import server_queries
from syncline_server.pubsub.hub import Hub
from syncline_server.pubsub.server_queries import ServerQueries
from syncline_server.realtime.connection_directory import ConnectionDirectory, ConnectionFilter
from syncline_server.realtime.connections import ConnectionRegistry, Description, LiveConnection
from syncline_server.storage import keys, servers
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.data_set import DataSet
from syncline_server.storage.servers import Member


class Connection:
    """A connection of which only the description matters."""

    key = None

    def __init__(self, identity: str) -> None:
        self._identity = identity

    def describe(self) -> Description:
        return Description(
            identity=self._identity,
            service_sid=None,
            wire="native",
            peer=None,
            key=None,
            opened=[],
            open_count=0,
            in_flight=0,
            waiting=0,
            is_slow=False,
        )

    def disconnect(self) -> None:
        pass


def connection(identity: str) -> LiveConnection:
    return cast(LiveConnection, Connection(identity))


class Process:
    """A process of a server of its own, with its connections."""

    def __init__(self, redis: Redis, name: str) -> None:
        self.connections = ConnectionRegistry()
        process = self.connections.process
        self.member = Member(process=process, server=process, name=name, worker=0)
        self.redis = redis
        self.hub = Hub(redis, cast(Any, None), WAIT_LIMIT)
        self.queries = ServerQueries(redis, self.hub, self.member, self.answer)
        workers = WorkerQueries(self.answer, 0, 1, None)
        self.directory = ConnectionDirectory(self.connections, self.member, workers, self.queries)

    async def answer(self, question: bytes, limit: int | None = None) -> bytes:
        return await self.directory.answer(question, limit)

    async def is_registered(self) -> bool:
        return bool(await self.redis.execute("HEXISTS", keys.SERVERS, self.member.process))


@asynccontextmanager
async def running(store: Store, prefix: str, name: str) -> AsyncIterator[Process]:
    redis = Redis(store.engine, WAIT_LIMIT, data_set=DataSet("AC" + "0" * 32, prefix))
    await redis.start()
    process = Process(redis, name)
    process.hub.start()
    process.queries.start()
    try:
        async with asyncio.timeout(WAIT_LIMIT):
            while not await process.is_registered():
                await asyncio.sleep(0.01)
        yield process
    finally:
        await process.queries.stop()
        await process.hub.stop()
        await redis.stop()


@pytest.fixture
async def three(
    store: Store, service_sid: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[list[Process]]:
    monkeypatch.setattr(server_queries, "ANSWER_TIMEOUT", WAIT_LIMIT)  # this machine may be busy
    async with AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(running(store, f"{service_sid}:", name))
            for name in ("one", "two", "three")
        ]
        yield made


async def walk(process: Process, size: int) -> list[str]:
    """The identities of all pages, in their order."""
    walked: list[str] = []
    token: str | None = None
    while True:
        found = await process.directory.page(size, token, ConnectionFilter())
        assert not found.silent_servers
        assert 0 < len(found.page.items) <= size
        walked += [each["identity"] for each in found.page.items]
        if (token := found.page.next) is None:
            return walked


async def test_answers_that_are_too_large_are_cut_and_nothing_is_left_out(
    three: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = [f"{number:02}" for number in range(24)]
    for number, identity in enumerate(opened):
        # Blocks of one process, so that a cut answer ends long before those of the others.
        three[number // 4 % 3].connections.add(connection(identity))
    for limit in (server_queries.ANSWER_LEAST, 700, 1):
        monkeypatch.setattr(server_queries, "ANSWERS_LIMIT", limit)
        monkeypatch.setattr(server_queries, "ANSWER_LEAST", limit)
        for size in (1, 5, 24, 100):
            for process in three:
                assert await walk(process, size) == opened


async def test_an_answer_has_at_most_the_bytes_that_it_may_have(three: list[Process]) -> None:
    for number in range(100):
        three[0].connections.add(connection(f"{number}"))
    asked = {"after": "", "count": 101, "identity": None, "service_sid": None}
    question = orjson.dumps({"list": asked})
    whole = await three[0].directory.answer(question)
    cut = await three[0].directory.answer(question, 5000)
    assert len(whole) > 20_000 and 4000 < len(cut) < 5100
    assert len(orjson.loads(cut)["rows"]) < 100 and orjson.loads(cut)["more"] is True


async def test_a_question_to_one_reaches_no_other(three: list[Process]) -> None:
    there = three[2]
    there.connections.add(connection("ada"))
    found = await three[0].directory.page(10, None, ConnectionFilter())
    [shown] = found.page.items
    assert shown["server"] == "three"
    assert (await three[0].directory.disconnect(shown["id"]) or {})["identity"] == "ada"
    assert await three[0].directory.disconnect("CN" + "0" * 32) is None


async def test_a_process_that_answers_nothing_is_named(
    three: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    three[1].connections.add(connection("ada"))
    listed = await three[0].directory.page(10, None, ConnectionFilter())
    [shown] = listed.page.items

    async def fail(_: bytes, __: int | None = None) -> bytes:
        raise ValueError("a defect")

    monkeypatch.setattr(three[1].queries, "_answer", fail)
    monkeypatch.setattr(server_queries, "ANSWER_TIMEOUT", 0.3)
    listed = await three[0].directory.page(10, None, ConnectionFilter())
    assert listed.page.items == [] and "two" in listed.silent_servers
    with pytest.raises(Refusal, match="the server two"):
        await three[0].directory.disconnect(shown["id"])


async def test_while_redis_is_away_the_others_are_named(
    three: list[Process], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    three[0].connections.add(connection("ada"))
    await three[0].directory.page(10, None, ConnectionFilter())
    monkeypatch.setattr(server_queries, "ANSWER_TIMEOUT", 0.3)
    with store.paused():
        listed = await three[0].directory.page(10, None, ConnectionFilter())
    assert [each["identity"] for each in listed.page.items] == ["ada"]
    assert listed.silent_servers == ["three", "two"]


async def test_the_registry_forgets_those_that_were_replaced_or_are_silent_for_long(
    three: list[Process],
) -> None:
    redis = three[0].redis
    now = redis.now_ms()
    silent = servers.SILENCE_MS + 1000
    stored = {
        "replaced": ("two", now - silent),
        "cut off": ("four", now - silent),
        "long gone": ("five", now - servers.MEMORY_MS - 1000),
        "unreadable": None,
    }
    for process, known in stored.items():
        record = "{" if known is None else _record(process, *known)
        await redis.execute("HSET", keys.SERVERS, process, record)
    listed = await three[0].queries.ask(orjson.dumps({"disconnect": "x"}), lambda _: False)
    assert listed == {}  # nobody was chosen; the registry was read
    kept = {each.decode() for each in await redis.execute("HKEYS", keys.SERVERS)}
    assert kept == {"cut off", *(each.member.process for each in three)}


def _record(process: str, name: str, seen: int) -> bytes:
    member = {"process": process, "server": process, "name": name, "worker": 0}
    return orjson.dumps({**member, "seen": seen})


async def test_a_process_that_stops_is_forgotten_at_once(store: Store, service_sid: str) -> None:
    async with running(store, f"{service_sid}:", "stays") as stays:
        async with running(store, f"{service_sid}:", "goes") as goes:
            pass
        left = await stays.redis.execute("HKEYS", keys.SERVERS)
        assert goes.member.process.encode() not in left
        assert stays.member.process.encode() in left
