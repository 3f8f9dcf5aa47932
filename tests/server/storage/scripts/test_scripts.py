from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.store import WAIT_LIMIT, Service
from syncline_protocol.sids import BUCKETS
from syncline_server.storage import keys
from syncline_server.storage.errors import ReplyError, StorageError
from syncline_server.storage.events import parse_event
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis import embedded
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.clock import now_ms
from syncline_server.storage.redis.connection import (
    Connection,
    connect,
)
from syncline_server.storage.redis.engine import ExternalRedis
from syncline_server.storage.scripts import ALL, DUE

SERVICE = f"IS{'c' * 32}"
NAME = "prefs"
TAG = keys.tag_of(SERVICE, NAME)


async def test_redis_names_each_script_as_we_do(admin: Connection) -> None:
    for script in ALL:
        assert await admin.execute("SCRIPT", "LOAD", script.source) == script.digest.encode()


async def test_due_takes_what_is_due_and_leaves_the_rest(redis: Redis, admin: Connection) -> None:
    key, now = keys.due(SERVICE), now_ms()
    await admin.execute("ZADD", key, now - 2, "01", now - 1, "02", now, "03", now + 60_000, "04")
    moment, *buckets = await redis.run(DUE, key, "latest", now, "count", 2)
    assert buckets == [b"01", b"02"]
    assert now <= int(moment) <= now_ms()
    # The clock of another shard that is ahead counts, one that is behind does not.
    later = await redis.run(DUE, key, "latest", now + 30_000, "count", BUCKETS)
    assert later == [b"%d" % (now + 30_000), b"03"]
    assert (await redis.run(DUE, key, "latest", 0, "count", BUCKETS))[1:] == []
    assert await admin.execute("ZRANGE", key, 0, -1) == [b"04"]
    await admin.execute("DEL", key)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Address]:
    """A node of a cluster that owns the slots of a bucket, of the due times and of the services."""
    path = tmp_path / "node.sock"
    port, bus_port = free_ports(2)
    words = (
        f"--port {port} --cluster-port {bus_port} --unixsocket {path} --cluster-enabled yes "
        "--cluster-require-full-coverage no"
    )
    process = subprocess.Popen(
        [embedded._find_binary(), *words.split(), "--dir", tmp_path, "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    address = Address(path=str(path))
    try:
        async with asyncio.timeout(WAIT_LIMIT):
            await form_cluster(address)
        yield address
    finally:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; open at the same time, so that they differ."""
    with ExitStack() as sockets:
        listeners = [sockets.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


async def form_cluster(address: Address) -> None:
    while True:
        try:
            node = await connect(address, WAIT_LIMIT)
            break
        except (OSError, StorageError):
            await asyncio.sleep(0.01)
    owned = (TAG, keys.due(SERVICE), keys.ALL_SERVICES)
    slots = [await node.execute("CLUSTER", "KEYSLOT", key) for key in owned]
    await node.execute("CLUSTER", "ADDSLOTS", *slots)
    while b"cluster_state:ok" not in await node.execute("CLUSTER", "INFO"):
        await asyncio.sleep(0.01)
    node.abort()


async def test_the_same_script_serves_a_cluster(node: Address) -> None:
    """Whatever it reads, writes and publishes is in the slot of its key: no other is served."""
    commands = await connect(node, WAIT_LIMIT)
    with pytest.raises(ReplyError):
        await commands.execute("EVAL", "redis.call('SPUBLISH', 'elsewhere', '')", 1, TAG)
    with pytest.raises(ReplyError):
        await commands.execute("EVAL", "redis.call('SET', 'elsewhere', '')", 1, TAG)
    commands.abort()

    pushes: asyncio.Queue[Any] = asyncio.Queue()
    listener = await connect(node, WAIT_LIMIT, pushes.put_nowait)
    redis = Redis(Sharded(node), WAIT_LIMIT)
    await redis.start()
    service = Service(Objects(redis, 60), SERVICE)
    # Without a name, the operation id leads to the bucket.
    for name, op in [(NAME, "op-1"), (None, NAME)]:
        first = await service.find_or_create(name, b"{}", 60, op=op)
        again = await service.find_or_create(name, b"{}", 60, op=op)
        assert (first.repeated, again.repeated) == (False, True)
        sid = first.state.sid
        listener.send("SSUBSCRIBE", redis.wire_channel(keys.channel(SERVICE, sid)))
        assert (await pushes.get())[0] == b"ssubscribe"
        updated = (await service.set(sid, b'{"a":1}', 0)).state
        assert await service.get(name or sid) == updated
        removed = (await service.remove(sid)).state
        events: list[Any] = [parse_event((await pushes.get())[2]) for _ in range(2)]
        assert [event.revision for event in events] == [updated.revision, removed.revision]
    await redis.stop()
    listener.abort()


class Sharded(ExternalRedis):
    """A node of a cluster, taken for a server of its own."""

    publish = "SPUBLISH"
