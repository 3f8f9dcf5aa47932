from __future__ import annotations

import re
import signal
import time
from pathlib import Path

import httpx2
import psutil

from support.api import DocumentsApi
from support.server import RunningServer

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
    with RunningServer(tmp_path / "data") as server, DocumentsApi(server) as api:
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


def test_a_redis_that_dies_is_replaced_and_has_kept_everything(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "data") as server, DocumentsApi(server) as api:
        document = api.create(Data='{"a":1}')
        redis_of(server).kill()
        wait_while_refused(api, document["sid"])
        assert api.fetch(document["sid"]) == document
