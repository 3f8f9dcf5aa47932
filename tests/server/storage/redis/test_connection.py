from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.store import WAIT_LIMIT, Store
from syncline_server.storage.errors import ConnectionBroken, ReplyError
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.connection import (
    Connection,
    connect,
)

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@asynccontextmanager
async def peer(path: Path, serve: Peer) -> AsyncIterator[Address]:
    """Something that is no Redis, or none that is well."""
    async with await asyncio.start_unix_server(serve, path):
        yield Address(path=str(path))


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the PING with which `connect` ends."""
    await reader.readuntil(b"PING\r\n")
    writer.write(b"+PONG\r\n")


async def test_replies_come_in_the_order_of_the_commands(
    admin: Connection, service_sid: str
) -> None:
    replies = await asyncio.gather(*(admin.execute("ECHO", f"{n}") for n in range(1000)))
    assert replies == [b"%d" % n for n in range(1000)]
    key = f"{service_sid}:count"
    counted = [admin.execute("INCR", key) if n % 3 else admin.execute("PING") for n in range(300)]
    numbers = [reply for reply in await asyncio.gather(*counted) if reply != b"PONG"]
    assert numbers == list(range(1, 201))


async def test_arguments_and_replies_are_binary_safe(admin: Connection, service_sid: str) -> None:
    value = bytes(range(256)) * 1000 + b"\r\n$-1\r\n"
    await admin.execute("HSET", service_sid, "é\n", value, b"number", -5)
    assert await admin.execute("HMGET", service_sid, "é\n", "number", "none") == [
        value,
        b"-5",
        None,
    ]


async def test_an_error_of_one_command_leaves_the_others_theirs(
    admin: Connection, service_sid: str
) -> None:
    await admin.execute("SET", service_sid, "text")
    before, wrong, after = (
        admin.execute("ECHO", "1"),
        admin.execute("INCR", service_sid),
        admin.execute("ECHO", "2"),
    )
    with pytest.raises(ReplyError, match="^ERR value is not an integer"):
        await wrong
    assert (await before, await after) == (b"1", b"2")


async def test_who_does_not_wait_any_more_takes_no_other_reply(admin: Connection) -> None:
    replies = [admin.execute("ECHO", f"{n}") for n in range(10)]
    failing = admin.execute("INCR")
    last = admin.execute("ECHO", "last")
    for reply in (*replies[::2], failing):
        reply.cancel()
    assert await last == b"last"
    assert [await reply for reply in replies[1::2]] == [b"%d" % n for n in range(1, 10, 2)]


async def test_it_knows_how_many_wait_and_since_when(store: Store, admin: Connection) -> None:
    assert (admin.pending, admin.waiting_since) == (0, None)
    before = asyncio.get_running_loop().time()
    with store.paused():
        replies = [admin.execute("PING") for _ in range(3)]
        assert admin.pending == 3
        assert before <= (admin.waiting_since or 0) <= asyncio.get_running_loop().time()
    await asyncio.gather(*replies)
    assert (admin.pending, admin.waiting_since) == (0, None)


async def test_when_it_breaks_every_pending_command_is_reported(
    store: Store, admin: Connection, service_sid: str
) -> None:
    connection = await connect(Address.parse(store.url), WAIT_LIMIT)
    number = await connection.execute("CLIENT", "ID")
    blocked = connection.execute("BLPOP", service_sid, 0)
    waiting = [connection.execute("INCR", f"{service_sid}:count") for _ in range(100)]
    await admin.execute("CLIENT", "KILL", "ID", number)
    outcomes = await asyncio.gather(blocked, *waiting, return_exceptions=True)
    assert all(isinstance(outcome, ConnectionBroken) for outcome in outcomes)
    assert connection.ended.done()
    assert connection.pending == 0
    # A blocked client's further commands were not carried out, and nobody has sent them again.
    assert await admin.execute("GET", f"{service_sid}:count") is None


async def test_once_ended_it_takes_nothing(store: Store) -> None:
    connection = await connect(Address.parse(store.url), WAIT_LIMIT)
    pending = connection.execute("PING")
    connection.abort()
    await connection.ended
    with pytest.raises(ConnectionBroken):
        await pending
    with pytest.raises(ConnectionBroken, match="has ended"):
        await connection.execute("PING")
    connection.send("PING")
    connection.abort()


async def test_what_is_given_to_one_that_is_ending_is_reported_and_not_written(
    store: Store,
) -> None:
    connection = await connect(Address.parse(store.url), WAIT_LIMIT)
    troubles: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, trouble: troubles.append(trouble))
    connection.abort()
    reply = connection.execute("PING")
    connection.send("PING")
    with pytest.raises(ConnectionBroken):
        await reply
    assert troubles == []


async def test_a_peer_that_speaks_no_redis_is_given_up(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        await reader.readuntil(b"GET\r\n")
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    async with peer(tmp_path / "peer", serve) as address:
        connection = await connect(address, WAIT_LIMIT)
        with pytest.raises(ConnectionBroken):
            await connection.execute("GET")


async def test_a_reply_cut_short_is_no_reply(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await greet(reader, writer)
        await reader.readuntil(b"two\r\n")
        writer.write(b"+one\r\n$1000\r\nhal")
        writer.close()

    async with peer(tmp_path / "peer", serve) as address:
        connection = await connect(address, WAIT_LIMIT)
        first, second = connection.execute("ECHO", "one"), connection.execute("ECHO", "two")
        assert await first == b"one"
        with pytest.raises(ConnectionBroken, match="closed by Redis"):
            await second


async def test_a_peer_that_is_silent_is_not_waited_for(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        ended.set()

    async with peer(tmp_path / "peer", serve) as address:
        with pytest.raises(TimeoutError):
            await connect(address, 0.05)
        # Nothing of it stays open.
        async with asyncio.timeout(WAIT_LIMIT):
            await ended.wait()


async def test_nobody_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        await connect(Address(path=str(tmp_path / "nothing")), WAIT_LIMIT)


async def test_a_redis_that_refuses_is_an_error(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"-LOADING Redis is loading the dataset in memory\r\n")
        await reader.read()
        writer.close()

    async with peer(tmp_path / "peer", serve) as address:
        with pytest.raises(ReplyError, match="^LOADING"):
            await connect(address, WAIT_LIMIT)


@pytest.fixture
async def user(admin: Connection, service_sid: str) -> AsyncIterator[str]:
    """A user of Redis, with the password `se:cret`."""
    await admin.execute("ACL", "SETUSER", service_sid, "on", ">se:cret", "allkeys", "+@all")
    yield service_sid
    await admin.execute("ACL", "DELUSER", service_sid)


async def test_it_logs_in_as_the_user_of_the_address(store: Store, user: str) -> None:
    path = Address.parse(store.url).path
    connection = await connect(Address(path=path, username=user, password="se:cret"), WAIT_LIMIT)
    assert await connection.execute("ACL", "WHOAMI") == user.encode()
    connection.abort()
    with pytest.raises(ReplyError, match="^WRONGPASS"):
        await connect(Address(path=path, username=user, password="wrong"), WAIT_LIMIT)


async def test_a_password_alone_is_the_default_users(tmp_path: Path) -> None:
    received = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.readuntil(b"secret\r\n"))
        writer.write(b"+OK\r\n")
        received.extend(await reader.readuntil(b"3\r\n"))
        writer.write(b"+OK\r\n")
        await greet(reader, writer)
        await reader.read()
        writer.close()

    async with peer(tmp_path / "peer", serve) as address:
        address = Address(path=address.path, database=3, password="secret")
        (await connect(address, WAIT_LIMIT)).abort()
    assert received == b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n"


async def test_a_database_that_redis_lacks_is_refused(store: Store) -> None:
    address = Address(path=Address.parse(store.url).path, database=1)
    with pytest.raises(ReplyError, match="DB index"):
        await connect(address, WAIT_LIMIT)


async def test_a_pub_sub_connection_passes_on_what_was_not_asked_for(
    store: Store, admin: Connection, service_sid: str
) -> None:
    pushes: asyncio.Queue[Any] = asyncio.Queue()
    connection = await connect(Address.parse(store.url), WAIT_LIMIT, pushes.put_nowait)
    connection.send("PING", "before")
    assert await pushes.get() == b"before"
    connection.send("SUBSCRIBE", service_sid)
    connection.send("PING", "within")
    assert await pushes.get() == [b"subscribe", service_sid.encode(), 1]
    assert await pushes.get() == [b"pong", b"within"]
    for n in range(1000):
        admin.execute("PUBLISH", service_sid, f"{n}")
    received = [await pushes.get() for _ in range(1000)]
    assert [push[2] for push in received] == [b"%d" % n for n in range(1000)]
    connection.abort()
