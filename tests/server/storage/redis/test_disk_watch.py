"""A disk that is almost full: the margin is set beyond, or near, what is really free."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from support.api import DocumentsApi
from support.metrics import scrape
from support.server import START_TIMEOUT, SYNCLINE, RunningServer, clean_environ
from support.store import WAIT_LIMIT, eventually
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.connection import connect
from syncline_server.storage.redis.embedded import free_space

BALLAST = 512 * 1024 * 1024
"""Bytes of a file whose end gives the disk room; half of it is for what others do meanwhile."""

MORE_THAN_ANY_DISK = 2**60


def until_answered(server: RunningServer, path: str, status: int) -> dict[str, Any]:
    """The JSON of a path once it is answered with that status."""
    with httpx2.Client(transport=httpx2.HTTPTransport(retries=50)) as http:
        while (reply := http.get(f"{server.url}{path}")).status_code != status:
            pass
        body: dict[str, Any] = reply.json()
        return body


@pytest.mark.parametrize("workers", [1, 2])
def test_below_the_margin_writes_are_refused_and_reads_go_on(tmp_path: Path, workers: int) -> None:
    data = tmp_path / "data"
    with RunningServer(data, "--appendfsync=no") as server, DocumentsApi(server) as api:
        sid = api.create(Data='{"kept":true}')["sid"]
    options = f"--disk-margin={MORE_THAN_ANY_DISK}", f"--workers={workers}"
    server = RunningServer.waiting(data, *options)
    try:
        until_answered(server, "/healthz", 200)
        with DocumentsApi(server) as api:
            while api.call("GET", sid).status_code != 200:  # while Redis is being connected to
                pass
            for method, path, form in [
                ("POST", None, {"Data": "{}"}),
                ("POST", sid, {"Data": "{}"}),
                ("POST", sid, {"Ttl": "60"}),
                ("DELETE", sid, None),
            ]:
                reply = api.call(method, path, data=form) if path else api.call(method, data=form)
                assert (reply.status_code, reply.json()["code"]) == (503, 20503)
                assert "disk of the store is almost full; nothing was changed" in reply.text
                assert reply.headers["Retry-After"] == "1"
            assert api.fetch(sid)["data"] == {"kept": True}
        body = until_answered(server, "/readyz", 503)
        assert "disk" in body["details"]["missing"]
        assert str(data) in body["details"]["problems"]["disk"]
        figures = scrape(server)
        assert figures.total("syncline_disk_full") == workers
        assert figures.total("syncline_disk_refused_writes_total") >= 4
        assert figures.total("syncline_disk_free_bytes") > 0
    finally:
        server.stop()
    log = server.log.read_text()
    assert log.count("not ready (disk)") == workers
    assert "started again" not in log


async def test_it_notices_that_the_disk_fills_up_and_recovers_by_itself(tmp_path: Path) -> None:
    margin = free_space(tmp_path) - BALLAST // 2
    options = f"--disk-margin={margin}", "--disk-interval=0.05"
    with RunningServer(tmp_path / "data", *options) as server, DocumentsApi(server) as api:
        sid = api.create()["sid"]
        with (ballast := tmp_path / "ballast").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, BALLAST)
        await eventually(lambda: api.call("POST", sid, data={"Data": "{}"}).status_code == 503)
        # Redis is set not to end at what it cannot sync of its own accord, and set back.
        await until_synced(server, b"everysec")
        ballast.unlink()
        await eventually(lambda: api.call("POST", sid, data={"Data": "{}"}).status_code == 200)
        assert await synced(server) == b"always"
        await eventually(lambda: httpx2.get(f"{server.url}/readyz").status_code == 200)
    log = server.log.read_text()
    assert log.count("not ready (disk)") == 1
    assert log.count("disk: the problem is solved") == 1


async def test_a_redis_that_ends_on_a_full_disk_comes_back_and_reads_go_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with RunningServer(data) as server, DocumentsApi(server) as api:
        sid = api.create()["sid"]
    server = RunningServer.waiting(data, f"--disk-margin={MORE_THAN_ANY_DISK}")
    try:
        until_answered(server, "/healthz", 200)
        with DocumentsApi(server) as api:
            await eventually(lambda: api.call("GET", sid).status_code == 200)
            owner = psutil.Process(server.process.pid)
            [redis] = owner.children()
            redis.kill()
            await eventually(lambda: {redis.pid} != {each.pid for each in owner.children()})
            await eventually(lambda: api.call("GET", sid).status_code == 200)
            # It was started with what keeps it alive.
            assert await synced(server) == b"everysec"
            assert api.call("POST", sid, data={"Data": "{}"}).status_code == 503
    finally:
        server.stop()


async def synced(server: RunningServer) -> bytes:
    """When the server's Redis syncs its file."""
    path = server.data_dir / "redis" / "redis.sock"
    connection = await connect(Address(path=str(path)), WAIT_LIMIT)
    try:
        _, value = await connection.execute("CONFIG", "GET", "appendfsync")
        return bytes(value)
    finally:
        connection.abort()


async def until_synced(server: RunningServer, wanted: bytes) -> None:
    async with asyncio.timeout(WAIT_LIMIT):
        while await synced(server) != wanted:
            await asyncio.sleep(0.02)


def test_a_start_that_finds_no_room_for_credentials_is_one_line(tmp_path: Path) -> None:
    # A limit of this process stands in for a disk without room.
    command = f"ulimit -f 0; exec {SYNCLINE} serve --port=0 --data-dir={tmp_path / 'full'}"
    ended = subprocess.run(
        ["sh", "-c", command],
        env=clean_environ({}),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"syncline: the credentials cannot be written to {tmp_path / 'full'}: ")
    assert list((tmp_path / "full").iterdir()) == []
