from __future__ import annotations

import asyncio
import re
import signal
import socket
import time
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from support.api import DocumentsApi
from support.server import IMPATIENT, RunningServer
from syncline_server.config.settings import Settings
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.connection import connect

RECOVERY = 20
"""Seconds in which a server must have found its Redis again."""


def redis_of(server: RunningServer) -> psutil.Process:
    """The embedded Redis, which its server has started."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    [redis] = [child for child in children if re.search("redis|valkey", child.name())]
    return redis


def wait_while_refused(api: DocumentsApi, sid: str) -> None:
    """Read until it is not refused for a while; every refusal must say when to try again."""
    deadline = time.monotonic() + RECOVERY
    while (reply := api.call("GET", sid)).status_code != 200:
        assert (reply.status_code, reply.json()["code"]) == (503, 20503)
        assert reply.headers["Retry-After"] == "1"
        assert time.monotonic() < deadline


def test_a_server_lives_and_is_ready(server: RunningServer) -> None:
    alive = httpx2.get(f"{server.url}/healthz")
    deadline = time.monotonic() + RECOVERY
    # A server accepts connections a moment before its feed lives.
    while (ready := httpx2.get(f"{server.url}/readyz")).status_code != 200:
        assert ready.json()["details"]["missing"] == ["feed"]
        assert time.monotonic() < deadline
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert ready.json()["feed_lag"] >= 0


def test_while_redis_is_away_requests_are_refused_for_a_while(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data", IMPATIENT) as server, DocumentsApi(server) as api:
        sid = api.create()["sid"]
        redis = redis_of(server)
        redis.send_signal(signal.SIGSTOP)
        try:
            refused = [
                api.call("GET", sid),
                api.call("POST", sid, data={"Data": "{}"}),
                api.call("DELETE", sid),
                api.call("POST"),
                api.call("GET"),
                httpx2.get(f"{server.url}/readyz"),
            ]
            missing = refused[-1].json()["details"]["missing"]
            assert missing and set(missing) <= {"redis", "feed"}
            assert httpx2.get(f"{server.url}/healthz").status_code == 200
        finally:
            redis.send_signal(signal.SIGCONT)
        for reply in refused:
            assert (reply.status_code, reply.json()["code"]) == (503, 20503)
            assert reply.headers["Retry-After"] == "1"
        wait_while_refused(api, sid)


REFUSALS = [
    (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"], "OOM"),
    (
        ["CONFIG", "SET", "min-replicas-to-write", "1"],
        ["CONFIG", "SET", "min-replicas-to-write", "0"],
        "NOREPLICAS",
    ),
    (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"], "READONLY"),
]


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_redis_that_refuses_writes_is_named_though_nobody_writes(
    tmp_path: Path, workers: int
) -> None:
    options = f"--workers={workers}", "--appendfsync=no"
    with RunningServer(tmp_path / "data", *options) as server:
        path = server.data_dir / "redis" / "redis.sock"
        connection = await connect(Address(path=str(path)), RECOVERY)
        for refuse, allow, words in REFUSALS:
            await connection.execute(*refuse)
            said = await until_ready_is(503, server, words)
            assert f"Redis at {path} refuses writes: " in said["message"]
            assert said["details"]["missing"] == ["redis"]
            await until_logged(server, f"refuses writes: {words}")
            await connection.execute(*allow)
            await until_ready_is(200, server, "")
        connection.abort()
        await until_logged(server, "redis: the problem is solved")


async def test_reads_go_on_while_redis_refuses_writes(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server, DocumentsApi(server) as api:
        sid = api.create()["sid"]
        path = server.data_dir / "redis" / "redis.sock"
        connection = await connect(Address(path=str(path)), RECOVERY)
        await connection.execute("REPLICAOF", "127.0.0.1", "1")
        await until_ready_is(503, server, "READONLY")
        replies = [api.call("POST", sid, data={"Data": "{}"}) for _ in range(3)]
        assert {reply.status_code for reply in replies} == {503}
        await connection.execute("REPLICAOF", "NO", "ONE")
        connection.abort()
        wait_while_refused(api, sid)


async def until_ready_is(status: int, server: RunningServer, words: str) -> dict[str, Any]:
    """The body of `/readyz` once every process answers with the status and words."""
    in_a_row, body = 0, dict[str, Any]()
    async with asyncio.timeout(RECOVERY):
        # Each request is a new connection, which the kernel gives to any of the processes.
        while in_a_row < 20:
            async with httpx2.AsyncClient() as http:
                reply = await http.get(f"{server.url}/readyz")
            fits = reply.status_code == status and words in reply.text
            in_a_row, body = (in_a_row + 1 if fits else 0), reply.json()
            await asyncio.sleep(0.01)
    return body


async def until_logged(server: RunningServer, words: str) -> None:
    """Return once the log has the words."""
    async with asyncio.timeout(RECOVERY):
        while words not in server.log.read_text():
            await asyncio.sleep(0.02)


def test_a_redis_that_dies_is_replaced_and_has_kept_everything(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server, DocumentsApi(server) as api:
        document = api.create(Data='{"a":1}')
        redis_of(server).kill()
        wait_while_refused(api, document["sid"])
        assert api.fetch(document["sid"]) == document


def test_a_connection_may_be_idle_for_as_long_as_the_setting_says(tmp_path: Path) -> None:
    assert Settings().keep_alive_timeout >= 75
    with (
        RunningServer(tmp_path / "data", "--keep-alive-timeout=1") as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=RECOVERY) as connection,
    ):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        reply = b""
        while not reply.endswith(b"}"):
            reply += connection.recv(65_536)
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert time.monotonic() - began > 0.5


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+sentinel://127.0.0.1:1/mymaster", "the Sentinel at 127.0.0.1:1 does not answer: "),
        ("redis+cluster://127.0.0.1:1", "127.0.0.1:1 does not answer: "),
        ("redis://user:secret@127.0.0.1:1/3", "Redis at 127.0.0.1:1 cannot be reached: "),
    ],
)
async def test_every_kind_of_redis_that_is_away_is_named(
    tmp_path: Path, url: str, words: str
) -> None:
    server = RunningServer.waiting(tmp_path / "data", f"--redis-url={url}")
    try:
        async with asyncio.timeout(RECOVERY):
            while words not in server.log.read_text():
                await asyncio.sleep(0.02)
        problem = (await until_ready_is(503, server, words))["details"]["problems"]["redis"]
        assert "refused" in problem and "secret" not in problem
    finally:
        server.stop()
    assert "is ready" not in server.log.read_text()
