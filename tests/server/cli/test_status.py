"""`syncline status` against real servers."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import psutil

from support.command import CommandLine
from support.limits import WAIT_LIMIT
from support.server import RunningServer, StartServer
from syncline_protocol import __version__


def test_a_ready_server_shows_its_version_and_figures(
    command: CommandLine, server: RunningServer
) -> None:
    outcome = command("status", "--url", server.url)
    found = outcome.value
    assert (found["status"], found["version"], found["url"]) == ("ready", __version__, server.url)
    assert found["requests"] > 0
    assert {"feed_lag", "redis_round_trip", "clock_offset", "connections"} <= found.keys()
    assert "problems" not in found
    shown = command("status", "--url", server.url, "-o", "table").out.split()
    assert shown[:2] == ["status", "ready"]


def test_without_access_to_metrics_there_are_no_figures(
    command: CommandLine, fresh_server: StartServer
) -> None:
    server = fresh_server("--metrics-access=account")
    assert "requests" not in command("status", "--url", server.url).value
    found = command("status", "--url", server.url, "--data-dir", str(server.data_dir)).value
    assert found["requests"] > 0


def test_a_server_without_its_redis_is_not_ready(command: CommandLine, tmp_path: Path) -> None:
    with RunningServer(tmp_path / "alone") as server:
        [redis] = psutil.Process(server.process.pid).children()
        redis.suspend()
        try:
            deadline = time.monotonic() + WAIT_LIMIT
            while (outcome := command("status", "--url", server.url)).status != 1:
                assert time.monotonic() < deadline, outcome
        finally:
            redis.resume()
    (found,) = outcome.lines
    assert found["status"] == "not ready"
    assert found["problems"]
    assert outcome.err == ""


def test_a_server_that_is_not_there(command: CommandLine) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        outcome = command("status", "--url", f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert (outcome.status, outcome.out) == (3, "")
    assert outcome.err.count("\n") == 1
