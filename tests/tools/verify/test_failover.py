"""A run through a planned failover of a Sentinel set with two replicas."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.sentinel import NAME, Watched
from support.server import RunningServer
from support.verify import run_verify

FAIL_OVER = """
import socket, sys
host, port, name = sys.argv[1:]
connection = socket.create_connection((host, int(port)))
replies = connection.makefile("rb")

def ask(command):
    connection.sendall(command.encode() + b"\\r\\n")
    line = replies.readline().strip()
    if line[:1] == b"*":
        return [replies.readline() and replies.readline().strip() for _ in range(int(line[1:]))]
    return line

old = ask("SENTINEL GET-MASTER-ADDR-BY-NAME " + name)
assert ask("SENTINEL FAILOVER " + name) == b"+OK"
while ask("SENTINEL GET-MASTER-ADDR-BY-NAME " + name) == old:
    pass
"""
"""Has the Sentinel promote a replica, and waits until it names another master."""


@pytest.fixture
def watched_trio(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path, replicas=2)
    try:
        asyncio.run(made.start())
        yield made
    finally:
        made.stop()


def test_what_was_acknowledged_survives_a_planned_failover(
    watched_trio: Watched, tmp_path: Path
) -> None:
    options = ("--redis-url", watched_trio.url, "--durability", "replicated")
    words = [sys.executable, "-c", FAIL_OVER, "127.0.0.1", str(watched_trio.sentinel.port), NAME]
    with RunningServer(tmp_path / "data", *options) as server:
        outcome = run_verify(
            server,
            tmp_path / "run",
            "--duration=5",
            "--faults=none",
            "--clients=1",
            f"--redis-url={watched_trio.url}",
            f"--during={shlex.join(words)}",
        )

    examined = {check["name"]: check["examined"] for check in outcome.verdict["checks"]}
    assert examined["commands"] == 1
    assert "commands" not in outcome.doubts
    assert not outcome.broken, [each for each in outcome.verdict["checks"] if each["findings"]]
    assert examined["item-kept"] > 0
