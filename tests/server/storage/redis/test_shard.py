from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import hiredis
import pytest

from support.store import WAIT_LIMIT, Service, Store, eventually, refused
from syncline_protocol.errors import Code
from syncline_server.config.validation import SettingError
from syncline_server.storage.errors import ConnectionBroken, ReplyError
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis import shard as shard_module
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import (
    Connection,
    connect,
)
from syncline_server.storage.redis.engine import SHARD, ExternalRedis
from syncline_server.storage.redis.shard import PAUSE_LIMIT, reconnect
from syncline_server.storage.scripts import OBJECT_SCRIPTS

FETCH = OBJECT_SCRIPTS["document"].fetch

SHORT_TIMEOUT = 0.2
"""Seconds: a timeout for tests that wait for it."""


@pytest.fixture
async def short_timeout_redis(store: Store) -> AsyncIterator[Redis]:
    """A supervised connection that is quick to give up."""
    redis = Redis(store.engine, SHORT_TIMEOUT)
    await redis.start()
    yield redis
    await redis.stop()


async def test_commands_run_once_it_has_started(redis: Redis, service_sid: str) -> None:
    assert redis.connected
    assert await redis.execute("INCRBY", service_sid, 5) == 5
    with pytest.raises(ReplyError, match="^WRONGTYPE"):
        await redis.execute("HGET", service_sid, "a")


async def test_before_it_has_started_it_is_away(store: Store) -> None:
    redis = Redis(store.engine, WAIT_LIMIT)
    assert not redis.connected
    refusal = await refused(redis.execute("ECHO", "x"), Code.UNAVAILABLE)
    assert "nothing was changed" in refusal.message


async def test_a_script_that_redis_has_lost_is_loaded_again(
    admin: Connection, redis: Redis, service: Service
) -> None:
    document = await service.create("prefs", ttl=100)
    await admin.execute("SCRIPT", "FLUSH")
    assert await service.get("prefs") == document
    await admin.execute("SCRIPT", "FLUSH")
    many = await asyncio.gather(*(service.create(f"{n}", ttl=100) for n in range(20)))
    assert len({document.sid for document in many}) == 20


async def test_an_error_of_a_script_is_not_taken_for_a_lost_one(
    redis: Redis, admin: Connection, service_sid: str
) -> None:
    await admin.execute("SET", f"{{{service_sid}:00}}:names", "text")
    with pytest.raises(ReplyError, match="^WRONGTYPE"):
        await redis.run(FETCH, f"{{{service_sid}:00}}", "name", "name")


async def test_a_cut_connection_is_made_again(
    store: Store, service_sid: str, tmp_path: Path
) -> None:
    socket_path = tmp_path / "redis.sock"
    redis = Redis(ExternalRedis(Address(path=str(socket_path))), WAIT_LIMIT)
    service = Service(Objects(redis, 60), service_sid)
    socket_path.symlink_to(store.url.removeprefix("unix://"))
    await redis.start()
    for number in range(3):
        await service.create(f"{number}")
        socket_path.unlink()
        await store.cut("normal")
        await eventually(lambda: not redis.connected)
        refusal = await refused(service.create("prefs"), Code.UNAVAILABLE)
        assert "nothing was changed" in refusal.message
        socket_path.symlink_to(store.url.removeprefix("unix://"))
        await eventually(lambda: redis.connected)
    await redis.stop()


async def test_a_redis_that_hangs_is_given_up_and_nothing_is_sent_twice(
    store: Store, short_timeout_redis: Redis, admin: Connection, service_sid: str
) -> None:
    with store.paused():
        attempts = [short_timeout_redis.execute("INCR", f"{service_sid}:{n}") for n in range(100)]
        outcomes = await asyncio.gather(
            *(refused(attempt, Code.UNAVAILABLE) for attempt in attempts)
        )
        assert all("may or may not" in outcome.message for outcome in outcomes)
        await refused(short_timeout_redis.execute("ECHO", "x"), Code.UNAVAILABLE)
    await eventually(lambda: short_timeout_redis.connected)
    assert await short_timeout_redis.execute("ECHO", "x") == b"x"
    keys = [f"{service_sid}:{n}" for n in range(100)]
    assert {value for value in await admin.execute("MGET", *keys)} <= {b"1", None}


async def test_a_write_that_is_unknown_is_settled_by_its_operation_id(
    store: Store, service_sid: str
) -> None:
    """It was sent, the connection broke: whatever became of it, the second one settles it."""
    redis = Redis(store.engine, 2)
    await redis.start()
    service = Service(Objects(redis, 60), service_sid)
    await service.create("prefs", b'{"n":0}')
    with store.paused():
        first = asyncio.gather(service.set("prefs", b'{"n":1}', op="op-1"), return_exceptions=True)
        await asyncio.sleep(0)  # it is sent in this turn of the loop
        await asyncio.sleep(0)
        redis._shards[SHARD].reset()
        await first
    await eventually(lambda: redis.connected)
    written = await service.set("prefs", b'{"n":1}', op="op-1")
    again = await service.set("prefs", b'{"n":1}', op="op-1")
    assert again.repeated
    assert again.state == written.state
    assert await service.get("prefs") == written.state
    await redis.stop()


async def test_to_wait_for_the_connection_is_to_wait_for_a_new_one(
    redis: Redis, service_sid: str
) -> None:
    """Also for a caller that notices the break first, as one that waits for an answer does."""
    for _ in range(5):
        asked = asyncio.ensure_future(redis.execute("BLPOP", service_sid, 0))
        await asyncio.sleep(0)
        redis._shards[SHARD].reset()
        await refused(asked, Code.UNAVAILABLE)
        await redis.reconnected(service_sid)
        assert await redis.execute("ECHO", "x") == b"x"


async def test_to_wait_for_a_connection_that_does_not_come_is_refused(
    tmp_path: Path, service_sid: str
) -> None:
    redis = Redis(ExternalRedis(Address(path=str(tmp_path / "nothing"))), SHORT_TIMEOUT)
    await redis.start()
    await refused(redis.reconnected(service_sid), Code.UNAVAILABLE)
    await redis.stop()


async def test_a_short_silence_breaks_nothing(store: Store, redis: Redis) -> None:
    connection = redis._shards[SHARD]._connection
    with store.paused():
        reply = asyncio.ensure_future(redis.execute("ECHO", "x"))
        await asyncio.sleep(SHORT_TIMEOUT)
    assert await reply == b"x"
    assert redis._shards[SHARD]._connection is connection


async def test_a_busy_process_is_not_taken_for_a_silent_redis(short_timeout_redis: Redis) -> None:
    """The answer has come in time, and waits to be read."""
    reply = asyncio.ensure_future(short_timeout_redis.execute("ECHO", "x"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    time.sleep(3 * SHORT_TIMEOUT)
    assert await reply == b"x"
    assert short_timeout_redis.connected


async def test_what_waits_is_bounded(
    store: Store, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_module, "PENDING_LIMIT", 10)
    with store.paused():
        waiting = [asyncio.ensure_future(redis.execute("ECHO", "x")) for _ in range(10)]
        await asyncio.sleep(0)
        refusal = await refused(redis.execute("ECHO", "x"), Code.UNAVAILABLE)
        assert "busy" in refusal.message
    assert await asyncio.gather(*waiting) == [b"x"] * 10


async def test_it_starts_before_redis_does(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "redis.sock"
    redis = Redis(ExternalRedis(Address(path=str(path))), SHORT_TIMEOUT)
    await redis.start()
    assert not redis.connected
    path.symlink_to(store.url.removeprefix("unix://"))
    await eventually(lambda: redis.connected)
    await redis.stop()


async def test_one_that_refuses_costs_no_connections(
    store: Store, admin: Connection, service_sid: str
) -> None:
    """Its user may not load scripts: it is asked again and again, and left each time."""
    await admin.execute("ACL", "SETUSER", service_sid, "on", ">pw", "allkeys", "+@all", "-script")
    url = store.url.replace("unix://", f"unix://{service_sid}:pw@")
    redis = Redis(ExternalRedis(Address.parse(url)), WAIT_LIMIT)
    await redis.start()
    assert not redis.connected
    # A failed attempt is on Redis' record; three more of them have been made.
    await admin.execute("ACL", "LOG", "RESET")
    await _denied(admin, 3)
    clients = (await admin.execute("CLIENT", "LIST")).decode()
    assert clients.count(f"user={service_sid} ") <= 1
    await redis.stop()
    await admin.execute("ACL", "DELUSER", service_sid)


async def _denied(admin: Connection, attempts: int) -> None:
    async with asyncio.timeout(WAIT_LIMIT):
        while True:
            log = await admin.execute("ACL", "LOG")
            if (
                log
                and sum(dict(zip(e[::2], e[1::2], strict=True))[b"count"] for e in log) > attempts
            ):
                return
            await asyncio.sleep(0.01)


async def test_a_redis_that_hangs_while_scripts_are_loaded_is_given_up(tmp_path: Path) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n")
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "peer"):
        redis = Redis(ExternalRedis(Address(path=str(tmp_path / "peer"))), 0.05)
        await redis.start()
        await eventually(lambda: connections > 2)
        await redis.stop()


async def test_stop_ends_the_connection(store: Store, admin: Connection) -> None:
    before = (await admin.execute("CLIENT", "LIST")).count(b"\n")
    redis = Redis(store.engine, WAIT_LIMIT)
    await redis.start()
    connection = redis._shards[SHARD]._connection
    assert connection is not None
    await redis.stop()
    await connection.ended
    await refused(redis.execute("ECHO", "x"), Code.UNAVAILABLE)
    await _settled(admin, before)


TIME = "*2\r\n$10\r\n1700000000\r\n$1\r\n0"
DATA_SET = "*2\r\n$2\r\nid\r\n$7\r\naccount"
"""What a peer answers that is taken for Redis."""


async def _settled(admin: Connection, clients: int) -> None:
    async with asyncio.timeout(WAIT_LIMIT):
        while (await admin.execute("CLIENT", "LIST")).count(b"\n") > clients:
            await asyncio.sleep(0.005)


async def test_an_engine_that_cannot_be_started_is_reported(tmp_path: Path) -> None:
    class Impossible(ExternalRedis):
        async def address(self, shard: str) -> Address:
            raise SettingError("no Redis here")

    with pytest.raises(SettingError, match="no Redis here"):
        await Redis(Impossible(Address()), SHORT_TIMEOUT).start()


async def test_reconnect_tries_until_it_succeeds(store: Store) -> None:
    failures: list[Exception] = [
        OSError("gone"),
        TimeoutError(),
        ReplyError("LOADING"),
        ConnectionBroken("cut"),
        SettingError("no binary"),
    ]

    async def attempt() -> Connection:
        if failures:
            raise failures.pop()
        return await connect(Address.parse(store.url), WAIT_LIMIT)

    connection = await reconnect(attempt, lambda: None)
    assert failures == []
    assert await connection.execute("PING") == b"PONG"
    connection.abort()
    assert PAUSE_LIMIT <= 1.0  # a gap is noticed within about a second


async def test_reconnect_hides_no_defect() -> None:
    async def attempt() -> Connection:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await reconnect(attempt, lambda: None)


@pytest.mark.parametrize(
    "kind", ["OOM", "READONLY", "MISCONF", "NOREPLICAS", "LOADING", "MASTERDOWN"]
)
@pytest.mark.parametrize(
    "text",
    [
        "{} it cannot be written.",
        "ERR Error running script (call to f_5e30): @user_script:9: @user_script: 9: -{} not now.",
    ],
)
async def test_a_redis_that_cannot_write_is_away(tmp_path: Path, kind: str, text: str) -> None:
    """In the words of each version: Redis 6.2 wraps the error of a command in a script."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = hiredis.Reader()
        while data := await reader.read(2**16):
            commands.feed(data)
            while command := commands.gets():
                answers = {b"TIME": TIME, b"HMGET": DATA_SET, b"EVALSHA": f"-{text.format(kind)}"}
                writer.write(f"{answers.get(command[0], '+OK')}\r\n".encode())
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "peer"):
        redis = Redis(ExternalRedis(Address(path=str(tmp_path / "peer"))), WAIT_LIMIT)
        await redis.start()
        refusal = await refused(redis.commit(FETCH, "{tag}"), Code.UNAVAILABLE)
        assert "nothing was changed" in refusal.message
        await redis.stop()
